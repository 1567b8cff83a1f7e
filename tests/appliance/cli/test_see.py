import json

from tests.running import CHECKOUT

SAMPLES = CHECKOUT / "tests" / "samples"


def test_the_text_of_a_page_is_read(yu, up) -> None:
    seen = yu("see", SAMPLES / "page.png", "--task", "text", "--data", up.data)
    assert seen.returncode == 0
    assert "  | Please pay within 30 days.\n" in seen.stdout


def test_a_face_is_found_where_it_is(yu, up) -> None:
    seen = yu("see", SAMPLES / "face.png", "--task", "objects", "--json", "--data", up.data)
    document = json.loads(seen.stdout)
    assert [thing["name"] for thing in document["objects"]] == ["face"]
    assert "face" in yu("see", SAMPLES / "face.png", "--data", up.data).stdout


def test_a_question_without_a_model_that_sees_is_answered_as_far_as_can_be(yu, up) -> None:
    seen = yu("see", SAMPLES / "code.png", "--ask", "What is it?", "--data", up.data)
    assert seen.returncode == 0
    assert "https://example.org/door" in seen.stdout
    assert "first choice" in seen.stderr


def test_a_file_that_is_no_picture_is_refused(yu, up) -> None:
    seen = yu("see", CHECKOUT / "pyproject.toml", "--data", up.data)
    assert (seen.returncode, seen.stdout) == (1, "")
    assert seen.stderr.strip()
