import pytest

from tests.running import User


def test_without_a_translator_the_text_comes_back_marked(person: User) -> None:
    answer = person.http.post("/api/v1/translate/text", json={"text": "Good morning, everybody", "to_language": "es"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["translation"] == "Good morning, everybody"
    assert (body["from_language"], body["to_language"], body["confidence"]) == ("en", "es", 0.0)
    assert body["degraded"] is True and body["error"]["code"] == "MODEL_NOT_INSTALLED"


def test_only_installed_languages_are_listed(person: User) -> None:
    assert person.http.get("/api/v1/translate/languages").json() == {"languages": []}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The weather is lovely today and we are going outside.", "en"),
        ("¿Dónde está la biblioteca más cercana?", "es"),
        ("Ich hätte gerne ein Glas Wasser, bitte.", "de"),
        ("Je voudrais un café, s'il vous plaît.", "fr"),
        ("今日はとても良い天気ですね。", "ja"),
    ],
)
def test_the_language_of_a_text_is_named(person: User, text: str, language: str) -> None:
    guess = person.http.post("/api/v1/translate/detect", json={"text": text}).json()
    assert guess["language"] == language and 0 < guess["confidence"] <= 1
    assert guess["candidates"][0]["language"] == language


def test_a_text_without_words_has_no_language(person: User) -> None:
    guess = person.http.post("/api/v1/translate/detect", json={"text": "123 ... !!!"}).json()
    assert guess == {"language": None, "confidence": None, "candidates": []}


@pytest.mark.parametrize(
    ("field", "value"),
    [("to_language", "english please"), ("to_language", None), ("text", " "), ("text", "a" * 20_001)],
)
def test_a_bad_field_is_named(person: User, field: str, value: object) -> None:
    refused = person.http.post("/api/v1/translate/text", json={"text": "hello", "to_language": "es", field: value})
    assert refused.status_code == 400 and refused.json()["error"]["details"]["field"] == field
