import pytest

from models.tasks import AudioFormat
from serving.client import EngineClient
from serving.wire import RefusedError, UnsupportedError

OPENAI = ["alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse"]


async def said(espeak: EngineClient, text: str, voice: str = "nova", language: str | None = "en", speed: float = 1.0):
    return await espeak.speak(text, voice, language, speed, AudioFormat.WAV)


async def test_it_has_the_names_of_openai_and_the_languages_of_the_system(espeak: EngineClient):
    voices = await espeak.voices()
    assert {*OPENAI, "en", "en-gb", "es", "es-419", "de", "fr"} <= set(voices)
    assert len(voices) > 130


async def test_the_names_sound_different(espeak: EngineClient):
    assert len({(await said(espeak, "Hello.", voice)).audio for voice in OPENAI}) == len(OPENAI)


async def test_every_name_speaks_every_language(espeak: EngineClient):
    english = await said(espeak, "uno dos tres", "nova", "en")
    spanish = await said(espeak, "uno dos tres", "nova", "es")
    assert english.audio != spanish.audio
    assert (await said(espeak, "uno dos tres", "es", None)).audio == (
        await said(espeak, "uno dos tres", "ES", "en")
    ).audio


async def test_its_header_tells_the_true_length(espeak: EngineClient):
    speech = await said(espeak, "Good morning, how are you today?")
    assert speech.duration_s == pytest.approx((len(speech.audio) - 44) / 2 / 22_050, abs=0.001)
    assert 1.0 < speech.duration_s < 4.0


async def test_speed_changes_the_length(espeak: EngineClient):
    lengths = [
        (await said(espeak, "one two three four five", speed=speed)).duration_s for speed in (0.25, 0.5, 1, 2, 4)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[2] > 1.6 * lengths[3]


@pytest.mark.parametrize("text", ["", " ", "\n", "...", "\x00\x01\x02", "\u200b"])
async def test_a_text_without_a_sound_is_refused(espeak: EngineClient, text: str):
    with pytest.raises(RefusedError) as refused:
        await said(espeak, text)
    assert refused.value.field in ("text", "input")


async def test_an_emoji_is_read_out(espeak: EngineClient):
    assert (await said(espeak, "😀")).duration_s > 0.5


async def test_markup_is_text(espeak: EngineClient):
    plain = await said(espeak, "hello")
    marked = await said(espeak, "<speak><break time='9s'/>hello &amp;</speak>")
    assert marked.duration_s > plain.duration_s + 1
    assert (await said(espeak, '<audio src="/etc/passwd"/>hello')).duration_s > plain.duration_s + 1


async def test_brackets_are_not_phonemes(espeak: EngineClient):
    for text in ("[[h@loU]]", "[[[h@loU]]]", "[[[[h@loU"):
        assert (await said(espeak, text)).audio != (await said(espeak, "hello")).audio
        assert (await said(espeak, text)).duration_s > 1


@pytest.mark.parametrize("text", ["-w /tmp/x hello", "--help", "-f /etc/hostname", "$(id)", "`id`"])
async def test_what_looks_like_an_option_is_text(espeak: EngineClient, text: str):
    assert (await said(espeak, text)).duration_s > 0.3


@pytest.mark.parametrize(
    ("text", "language"),
    [("Доброе утро", "ru"), ("早上好", "cmn"), ("صباح الخير", "ar"), ("שלום", "he"), ("a\u0301" * 500, "es")],
)
async def test_any_script_is_taken(espeak: EngineClient, text: str, language: str):
    assert (await said(espeak, text, language=language)).duration_s > 0.2


@pytest.mark.parametrize(
    ("voice", "language", "field"),
    [
        ("nobody", "en", "voice"),
        ("../../etc/passwd", "en", "voice"),
        ("nova", "xx", "language"),
        ("nova", "en+f2", "language"),
    ],
)
async def test_unknown_voices_and_languages_are_named(espeak: EngineClient, voice: str, language: str, field: str):
    with pytest.raises(UnsupportedError) as refused:
        await said(espeak, "hello", voice, language)
    assert refused.value.field == field


async def test_a_long_text_is_spoken_to_its_end(espeak: EngineClient):
    speech = await espeak.speak("This is a sentence. " * 200, "nova", "en", 1.0, AudioFormat.MP3)
    assert speech.duration_s > 200
