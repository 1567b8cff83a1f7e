import json
import subprocess
from pathlib import Path

import pytest

from tests.running import RunningBox, User


def synthesize(person: User, **body: object) -> dict:
    answer = person.http.post("/api/v1/voice/synthesize", json={"text": "Hello, I am Yu.", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def probed(audio: bytes, folder: Path) -> tuple[str, float]:
    """Codec and seconds, by ffprobe."""
    file = folder / "audio"
    file.write_bytes(audio)
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", file]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found["streams"][0]["codec_name"], float(found["format"].get("duration", 0))


@pytest.mark.parametrize(
    ("format", "codec", "media_type"),
    [
        ("mp3", "mp3", "audio/mpeg"),
        ("opus", "opus", "audio/ogg"),
        ("aac", "aac", "audio/aac"),
        ("flac", "flac", "audio/flac"),
        ("wav", "pcm_s16le", "audio/wav"),
    ],
)
def test_a_sentence_is_spoken_in_each_format(
    person: User, tmp_path: Path, format: str, codec: str, media_type: str
) -> None:
    spoken = synthesize(person, format=format)
    assert spoken["model"] == "espeak" and spoken["degraded"] is False and spoken["format"] == format
    audio = person.http.get(spoken["audio_url"])
    assert audio.headers["content-type"] == media_type
    found, seconds = probed(audio.content, tmp_path)
    assert found == codec
    assert 0.5 < spoken["duration"] < 5
    assert format == "aac" or abs(seconds - spoken["duration"]) < 0.2


def test_slow_speech_lasts_longer(person: User) -> None:
    assert synthesize(person, speed=0.5)["duration"] > 1.5 * synthesize(person, speed=2.0)["duration"]


def test_each_voice_sounds_different(whole_box: RunningBox, person: User) -> None:
    names = ["alloy", "echo", "fable", "onyx", "nova", "shimmer"]
    urls = [synthesize(person, voice=voice, format="wav")["audio_url"] for voice in names]
    assert len({person.http.get(url).content for url in urls}) == len(names)


def test_the_link_needs_no_token_and_cannot_be_bent(whole_box: RunningBox, person: User) -> None:
    url = synthesize(person)["audio_url"]
    with whole_box.client() as stranger:
        assert stranger.get(url).status_code == 200
        assert stranger.get(url.replace("signature=", "signature=0")).status_code == 404
        assert stranger.get(url.replace("expires=", "expires=9")).status_code == 404
        assert stranger.get(url.partition("?")[0]).status_code == 400
    other = synthesize(person)["audio_url"]
    mixed = other.partition("?")[0] + "?" + url.partition("?")[2]
    assert person.http.get(mixed).status_code == 404


def test_spoken_files_are_sealed_on_the_disk(whole_box: RunningBox, person: User) -> None:
    synthesize(person, format="wav")
    folder = whole_box.data / "files" / "audio" / "synthesized" / person.id
    (file,) = folder.iterdir()
    assert b"RIFF" not in file.read_bytes()


@pytest.mark.parametrize(
    ("field", "value"),
    [("speed", -1), ("speed", 0), ("speed", 100), ("speed", "fast"), ("voice", "../speaker.pth"), ("voice", "nobody"),
     ("format", "exe"), ("language", "xx"), ("language", "../en"), ("text", ""), ("text", "a" * 5000),
     ("text", 5), ("ssml", True)],
)  # fmt: skip
def test_a_bad_field_is_named(person: User, field: str, value: object) -> None:
    refused = person.http.post("/api/v1/voice/synthesize", json={"text": "hello", field: value})
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["details"]["field"] == field


def test_markup_is_read_and_never_obeyed(person: User) -> None:
    spoken = synthesize(person, text='<speak><break time="60s"/><audio src="file:///etc/passwd"/>hi</speak>')
    assert spoken["duration"] < 30


def test_listening_says_what_is_missing_and_what_to_do(person: User) -> None:
    audio = person.http.get(synthesize(person, format="wav")["audio_url"]).content
    refused = person.http.post("/api/v1/voice/transcribe", files={"audio": audio})
    assert refused.status_code == 503
    error = refused.json()["error"]
    assert error["code"] == "MODEL_NOT_INSTALLED" and "Type instead" in error["message"]
    assert int(refused.headers["retry-after"]) > 0
