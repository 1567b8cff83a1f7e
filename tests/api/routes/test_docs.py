import re

from tests.running import RunningBox


def test_the_description_is_shown_by_a_page_that_fetches_nothing_from_elsewhere(box: RunningBox) -> None:
    with box.client() as client:
        page = client.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(parts) == 4 and all(part.startswith("/docs/") for part in parts)
        for part in parts:
            assert client.get(part).status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]


def test_only_the_pages_own_files_are_served(box: RunningBox) -> None:
    with box.client() as client:
        for name in ("..%2fREADME.md", "%2e%2e", "nothing.js", "swagger-ui.css%00"):
            assert client.get(f"/docs/{name}").status_code == 404
