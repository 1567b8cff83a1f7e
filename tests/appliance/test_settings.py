from pathlib import Path

import pytest

from appliance.errors import BadSettingsError
from appliance.settings import Remote, read_settings
from models.tasks import Task


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("YU_PORT", "YU_CHAT__TEMPERATURE", "YU_PROFILE", "YU_NONSENSE"):
        monkeypatch.delenv(name, raising=False)


def write(folder: Path, text: str) -> Path:
    (folder / "yu.toml").write_text(text)
    return folder


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    settings = read_settings(tmp_path)
    assert (settings.host, settings.port, settings.profile) == ("127.0.0.1", 8080, "base")
    assert settings.chain(Task.SPEAK) == ("espeak",) and settings.chain(Task.CHAT) == ()


def test_arguments_stand_above_variables_and_these_above_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "port = 1\nprofile = 'micro'\n[chat]\ntemperature = 0.1\nwindow_messages = 5\n")
    monkeypatch.setenv("YU_PORT", "2")
    monkeypatch.setenv("YU_CHAT__TEMPERATURE", "0.2")
    settings = read_settings(tmp_path, port=3, host=None)
    assert (settings.port, settings.host, settings.profile) == (3, "127.0.0.1", "micro")
    assert (settings.chat.temperature, settings.chat.window_messages) == (0.2, 5)


def test_a_chain_may_name_somebody_elses_server(tmp_path: Path) -> None:
    write(
        tmp_path,
        'profile = "micro"\n[chains]\nchat = [{ url = "http://127.0.0.1:11434", model = "llama" }, "micro-chat"]',
    )
    settings = read_settings(tmp_path)
    assert settings.chain(Task.CHAT) == (Remote(url="http://127.0.0.1:11434", model="llama"), "micro-chat")
    assert settings.chain(Task.READ) == ("tesseract",)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("port = 'x'", "port"),
        ("port = 70000", "port"),
        ("colour = 'red'", "colour"),
        ("[chat]\nwarmth = 1", "warmth"),
        ("[chains]\nchat = [{ url = 'x' }]", "model"),
        ("[chains]\nsing = []", "sing"),
        ("port = ", "yu.toml"),
        ("[chains]\nspeak = ['nobody']", "nobody"),
        ("[chains]\nspeak = ['tesseract']", "chains.speak"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(BadSettingsError) as mistake:
        read_settings(write(tmp_path, text))
    assert named in mistake.value.message and "yu.toml" in mistake.value.message


def test_an_unknown_profile_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadSettingsError, match="base, micro"):
        read_settings(write(tmp_path, "profile = 'huge'"))
