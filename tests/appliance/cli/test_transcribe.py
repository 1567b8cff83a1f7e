import json
import wave

import pytest


@pytest.fixture
def silence(tmp_path):
    file = tmp_path / "silence.wav"
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(bytes(32000))
    return file


def test_without_a_model_the_box_says_what_to_do(yu, up, silence) -> None:
    heard = yu("transcribe", silence, "--data", up.data)
    assert (heard.returncode, heard.stdout) == (1, "")
    assert "No model for listening is installed" in heard.stderr
    heard = yu("transcribe", silence, "--json", "--data", up.data)
    assert json.loads(heard.stdout)["error"]["code"] == "MODEL_NOT_INSTALLED"


def test_a_file_that_is_not_there_is_a_usage_error(yu, up, tmp_path) -> None:
    assert yu("transcribe", tmp_path / "none.wav", "--data", up.data).returncode == 2
