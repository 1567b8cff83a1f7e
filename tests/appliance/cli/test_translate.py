import json


def test_without_a_translator_the_text_comes_back_marked(yu, up) -> None:
    translated = yu("translate", "Good morning", "--to", "es", "--data", up.data)
    assert (translated.returncode, translated.stdout) == (1, "Good morning\n")
    assert "No model for translation is installed" in translated.stderr


def test_the_document_holds_the_marker(yu, up) -> None:
    translated = yu("translate", "-", "--to", "es", "--from", "en", "--json", "--data", up.data, stdin="Good morning")
    document = json.loads(translated.stdout)
    assert translated.returncode == 1
    assert document["translation"] == "Good morning"
    assert document["error"]["code"] == "MODEL_NOT_INSTALLED"
