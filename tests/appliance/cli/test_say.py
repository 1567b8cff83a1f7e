import subprocess
import wave

import pytest

from tests.running import CHECKOUT

from .conftest import YU, clean_environment

MAGIC = {
    "mp3": (b"ID3", b"\xff\xfb", b"\xff\xf3"),
    "ogg": (b"OggS",),
    "opus": (b"OggS",),
    "flac": (b"fLaC",),
    "wav": (b"RIFF",),
}


@pytest.mark.parametrize("ending", MAGIC)
def test_the_ending_of_the_file_is_the_format(yu, up, tmp_path, ending: str) -> None:
    file = tmp_path / f"hello.{ending}"
    said = yu("say", "Hello, I am Yu.", "-o", file, "--data", up.data)
    assert (said.returncode, said.stdout) == (0, "")
    assert "by espeak" in said.stderr
    assert file.read_bytes().startswith(MAGIC[ending])
    assert [left.name for left in tmp_path.iterdir()] == [file.name]


def test_speech_goes_through_a_pipe(up) -> None:
    command = [YU, "say", "-", "-o", "-", "--data", str(up.data)]
    said = subprocess.run(
        command, input=b"Hello", capture_output=True, env=clean_environment(), cwd=CHECKOUT, timeout=60
    )
    assert (said.returncode, said.stderr) == (0, b"")
    assert said.stdout.startswith(b"RIFF")


def test_half_the_speed_takes_longer(yu, up, tmp_path) -> None:
    for speed in ("1.0", "0.5"):
        yu("say", "Hello, I am Yu.", "-o", tmp_path / f"{speed}.wav", "--speed", speed, "--data", up.data)
    assert length(tmp_path / "0.5.wav") > 1.3 * length(tmp_path / "1.0.wav")


def test_an_unknown_ending_is_a_usage_error(yu, up, tmp_path) -> None:
    said = yu("say", "Hello", "-o", tmp_path / "hello.txt", "--data", up.data)
    assert said.returncode == 2
    assert ".opus" in said.stderr


def test_an_unknown_voice_leaves_no_file(yu, up, tmp_path) -> None:
    said = yu("say", "Hello", "-o", tmp_path / "hello.wav", "--voice", "nobody", "--data", up.data)
    assert said.returncode == 1
    assert "voice" in said.stderr
    assert not list(tmp_path.iterdir())


def length(file) -> int:
    with wave.open(str(file)) as sound:
        return sound.getnframes()
