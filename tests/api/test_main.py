import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import CHECKOUT, RunningBox


def start(data: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """For starts that are refused: nothing is bound."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("YU_")}
    command = [sys.executable, "-m", "api", "--data", str(data), "--port", "0", *arguments]
    environment = plain | {f"YU_{name}": value for name, value in settings.items()}
    return subprocess.run(
        command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"TLS__CERTIFICATE": "/nowhere/cert.pem", "TLS__KEY": "/nowhere/key.pem"},
        {"IDENTITY__REGISTRATION": "open"},
    ],
)
def test_a_box_that_nobody_owns_is_not_opened_to_other_machines(tmp_path: Path, settings: dict[str, str]) -> None:
    refused = start(tmp_path / "data", "--host", "0.0.0.0", **settings)
    assert refused.returncode == 1
    assert "127.0.0.1" in refused.stderr and "Traceback" not in refused.stderr


def test_a_mistake_in_the_settings_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "yu.toml").write_text("colour = 'red'")
    refused = start(tmp_path)
    assert refused.returncode == 1
    assert "colour" in refused.stderr and "Traceback" not in refused.stderr


def test_a_second_api_on_the_same_data_is_refused_and_says_why(box: RunningBox) -> None:
    refused = start(box.data)
    assert refused.returncode != 0 and "Another process uses this store" in refused.stderr
    with box.client() as client:
        assert client.get("/health/ready").status_code == 200
