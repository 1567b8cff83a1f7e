import pytest

from tests.running import CHECKOUT, User

SAMPLES = CHECKOUT / "tests" / "samples"


def look(person: User, route: str, sample: str, **fields: str) -> dict:
    files = {"image": (sample, (SAMPLES / sample).read_bytes())}
    answer = person.http.post(f"/api/v1/vision/{route}", files=files, data=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_text_of_a_page_is_read_line_by_line(person: User) -> None:
    read = look(person, "ocr", "page.png")
    assert "Gracias por su compra, señor Núñez." in read["text"]
    assert read["lines"][0]["text"] == "ACME Corporation - Invoice 2026-11-23"
    left, top, right, bottom = read["lines"][0]["bbox"]
    assert 0 <= left < right and 0 <= top < bottom
    assert read["model"] == "tesseract" and read["degraded"] is False


def test_a_photographed_sign_is_read(person: User) -> None:
    assert "Exit 24B" in look(person, "ocr", "sign.jpg")["text"]


def test_a_language_that_is_not_installed_is_named_with_its_repair(person: User) -> None:
    files = {"image": (SAMPLES / "page.png").read_bytes()}
    refused = person.http.post("/api/v1/vision/ocr", files=files, data={"languages": "fi"})
    assert refused.status_code == 400 and "tesseract-ocr-fin" in refused.json()["error"]["message"]


def test_a_code_is_found_and_said(person: User) -> None:
    found = look(person, "detect", "code.png")["objects"]
    assert {item["name"] for item in found} == {"qr code"} and all(item["text"] for item in found)


def test_analyze_brings_it_together_in_the_specifications_shape(person: User) -> None:
    seen = look(person, "analyze", "page.png", task="general", detail="high")
    assert "ACME Corporation" in seen["analysis"] and seen["text"][0].startswith("ACME")
    assert seen["objects"] == [] and seen["scene"] is None and seen["degraded"] is False
    assert look(person, "analyze", "code.png", task="objects")["text"] == []


def test_a_question_is_answered_from_what_is_found_and_marked(person: User) -> None:
    answer = look(person, "vqa", "page.png", question="Who sent this invoice?")
    assert answer["degraded"] is True and "No model that understands pictures" in answer["answer"]
    assert "ACME Corporation" in answer["answer"]


@pytest.mark.parametrize("route", ["analyze", "detect", "ocr"])
@pytest.mark.parametrize("sample", ["renamed-bmp.png", "truncated.jpg", "bomb.png"])
def test_a_hostile_picture_is_refused(person: User, route: str, sample: str) -> None:
    files = {"image": ("picture.png", (SAMPLES / sample).read_bytes())}
    refused = person.http.post(f"/api/v1/vision/{route}", files=files)
    assert refused.status_code in (400, 413, 415), refused.text
    assert refused.json()["error"]["details"]["field"] == "image"
