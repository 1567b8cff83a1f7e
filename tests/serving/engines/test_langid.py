import pytest

from serving.client import EngineClient


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is the train station?", "en"),
        ("Je voudrais un café, s'il vous plaît.", "fr"),
        ("¿Dónde está la biblioteca?", "es"),
        ("Ciao, come stai?", "it"),
        ("¿Dónde está la estación de tren?", "es"),
        ("Ich möchte ein Glas Wasser, bitte.", "de"),
        ("Je ne comprends pas ce que vous dites.", "fr"),
        ("Onde fica a estação de comboios?", "pt"),
        ("Può ripetere, per favore?", "it"),
        ("今日はいい天気ですね", "ja"),
        ("Где находится вокзал?", "ru"),
    ],
)
async def test_a_sentence_s_language_is_named(langid: EngineClient, text: str, language: str):
    guesses = await langid.identify(text)
    assert guesses[0].language == language
    assert 1 <= len(guesses) <= 5
    confidences = [guess.confidence for guess in guesses]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 < confidence <= 1 for confidence in confidences)


@pytest.mark.parametrize("text", ["...", "12345", "", "  ", "😀", "\x00"])
async def test_a_text_without_words_has_no_language(langid: EngineClient, text: str):
    assert await langid.identify(text) == []


async def test_a_long_text_is_no_burden(langid: EngineClient):
    guesses = await langid.identify("The quick brown fox jumps over the lazy dog. " * 1000)
    assert guesses[0].language == "en"
