import hashlib
import json
import shlex
import socket

import pytest

from appliance.cli.checks import Verdict, stamped
from tests.running import CHECKOUT


def findings(done) -> dict[str, dict]:
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_a_running_box_is_well(yu, up) -> None:
    done = yu("doctor", "--json", "--data", up.data)
    found = findings(done)
    assert found["box"]["found"] == "running"
    assert found["engine tesseract"]["verdict"] == "ok"
    assert found["network"]["found"] == "none needed at run time"
    assert {"Python", "venv of the engines", "espeak-ng", "ffmpeg", "tesseract", "store", "disk", "GPU"} <= set(found)
    assert (done.returncode == 0) is json.loads(done.stdout)["healthy"]


def test_the_table_ends_with_the_verdict(yu, up) -> None:
    shown = yu("doctor", "--data", up.data).stdout
    assert "\x1b" not in shown
    assert shown.splitlines()[-1] in ("All is well.", "Something is broken: see above.")


def test_what_is_broken_comes_with_its_repair(yu, tmp_path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    done = yu("doctor", "--json", "--data", data, YU_VENVS__ENGINES="/nonexistent/python")
    found = findings(done)
    assert done.returncode == 1
    assert found["data folder"]["repair"] == f"chmod 700 {data}"
    assert shlex.split(found["venv of the engines"]["repair"]) == [str(CHECKOUT / "scripts/setup"), "engines"]
    assert found["engine espeak"]["verdict"] == "broken"


def test_missing_programs_name_their_packages(yu, tmp_path) -> None:
    done = yu("doctor", "--json", "--data", tmp_path / "data", PATH="/nonexistent")
    assert findings(done)["espeak-ng"]["repair"] == "sudo apt-get install espeak-ng"
    assert "tesseract-ocr-spa" in findings(done)["tesseract"]["repair"]
    assert done.returncode == 1


def test_a_taken_port_is_found(yu, tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = yu("doctor", "--json", "--data", tmp_path / "data", YU_PORT=port)
    assert findings(done)["port"]["verdict"] == "broken"


def test_a_profile_that_there_is_not_is_named(yu, tmp_path) -> None:
    done = yu("doctor", "--data", tmp_path / "data", YU_PROFILE="golden")
    assert done.returncode == 1
    assert "no profile 'golden'" in done.stderr


@pytest.mark.parametrize(
    ("stamp", "verdict"),
    [("lock engines {sha256}  -", Verdict.OK), ("lock engines 0123  -", Verdict.BROKEN), (None, Verdict.NOTE)],
)
def test_a_venv_is_as_good_as_its_stamp(tmp_path, stamp: str | None, verdict: Verdict) -> None:
    lock = CHECKOUT / "requirements" / "engines.txt"
    if stamp is not None:
        sha256 = hashlib.sha256(lock.read_bytes()).hexdigest()
        (tmp_path / ".installed-engines").write_text(stamp.format(sha256=sha256))
    assert stamped("venv of the engines", tmp_path, ("engines",), "scripts/setup engines").verdict is verdict
