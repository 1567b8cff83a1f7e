"""Engine servers as processes: how they start, listen and end."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

from tests.running import CHECKOUT, wait_until
from tests.serving.conftest import ENGINES_PYTHON, Server, Servers


def serve(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One that is expected to end by itself."""
    argv = [ENGINES_PYTHON, "-m", "serving", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(argv, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=30)


def test_its_socket_is_its_user_s_alone(servers: Servers):
    assert servers("espeak").socket.stat().st_mode & 0o777 == 0o600


def test_its_log_is_json_and_names_no_request(servers: Servers):
    server = servers("espeak")
    server.http.post("/v1/audio/speech", json={"input": "a private sentence", "voice": "nova"})
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert {line["service"] for line in lines} == {"espeak"}
    assert "private" not in server.log()
    assert "/v1/audio/speech" not in server.log()


def test_it_takes_the_place_of_one_that_was_killed_and_ends_when_asked(tmp_path: Path):
    argv = [str(ENGINES_PYTHON), "-m", "serving", "espeak"]
    killed = Server(tmp_path, "espeak", argv)
    killed.process.kill()
    killed.process.wait(10)
    killed.http.close()
    assert killed.socket.exists()
    again = Server(tmp_path, "espeak", argv)
    assert again.http.get("/health").status_code == 200
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(10) in (0, -signal.SIGTERM)
    again.http.close()


def test_it_listens_on_a_port_as_well():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [ENGINES_PYTHON, "-m", "serving", "espeak", "--port", str(port)]
    with subprocess.Popen(argv, cwd=CHECKOUT, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: connects(port), 20, "the server's start")
        finally:
            process.terminate()


def connects(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def test_a_model_that_is_not_in_the_catalogue_is_named(tmp_path: Path):
    ended = serve("nonesuch", "--socket", str(tmp_path / "s"))
    assert ended.returncode == 2
    assert "no model 'nonesuch'" in json.loads(ended.stderr)["message"]


def test_an_engine_that_cannot_load_says_in_its_last_line_what_to_do(tmp_path: Path):
    ended = serve("tesseract", "--socket", str(tmp_path / "s"), TESSDATA_PREFIX=str(tmp_path))
    assert ended.returncode == 3
    assert "apt install tesseract-ocr" in json.loads(ended.stderr.splitlines()[-1])["message"]
    ended = serve("espeak", "--socket", str(tmp_path / "s"), PATH=str(tmp_path))
    assert ended.returncode == 3
    assert "apt install espeak-ng" in json.loads(ended.stderr.splitlines()[-1])["message"]
    assert not (tmp_path / "s").exists()


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(str(path)) == 0
