import json
import os
import pty
import subprocess

import httpx

from tests.running import CHECKOUT, PASSWORD

from .conftest import YU, clean_environment


def test_an_account_added_to_a_running_box_can_log_in(yu, up, password) -> None:
    added = yu(
        "user", "add", "ada@example.org", "--password-stdin", "--username", "ada", "--data", up.data, stdin=password
    )
    assert (added.returncode, added.stdout) == (0, "ada@example.org can log in now (user).\n")
    url = (up.data / "run" / "url").read_text()
    credentials = {"email": "ada@example.org", "password": PASSWORD}
    assert httpx.post(f"{url}/api/v1/auth/login", json=credentials).status_code == 200


def test_an_account_added_before_the_first_start_can_log_in(yu, start, tmp_path, password) -> None:
    data = tmp_path / "data"
    added = yu(
        "user", "add", "ada@example.org", "--password-stdin", "--admin", "--json", "--data", data, stdin=password
    )
    assert added.returncode == 0
    assert json.loads(added.stdout)["role"] == "admin"
    again = yu("user", "add", "ada@example.org", "--password-stdin", "--data", data, stdin=password)
    assert again.returncode == 1
    assert "already" in again.stderr
    box = start()
    assert "claim code" not in box.read_until("Ctrl-C stops the box")
    url = (data / "run" / "url").read_text()
    assert httpx.post(f"{url}/api/v1/auth/login", json={"email": "ada@example.org", "password": PASSWORD}).is_success


def test_a_bad_field_is_named_with_and_without_a_running_box(yu, up, tmp_path) -> None:
    for data in (up.data, tmp_path / "data"):
        added = yu("user", "add", "bob@example.org", "--password-stdin", "--data", data, stdin="short\n")
        assert added.returncode == 1
        assert "password" in added.stderr


def test_without_a_terminal_the_password_must_come_from_stdin(yu, up) -> None:
    added = yu("user", "add", "bob@example.org", "--data", up.data)
    assert added.returncode == 2
    assert "--password-stdin" in added.stderr


def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(up) -> None:
    ours, theirs = pty.openpty()
    command = [YU, "user", "add", "eve@example.org", "--data", str(up.data)]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    process = subprocess.Popen(command, env=clean_environment(), cwd=CHECKOUT, **streams)
    os.close(theirs)
    shown = b""
    for question in (b"Password: ", b"Repeat for confirmation: "):
        while question not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, f"{PASSWORD}\n".encode())
    while b"can log in now" not in shown:
        shown += os.read(ours, 4096)
    assert process.wait(20) == 0
    os.close(ours)
    assert PASSWORD.encode() not in shown


def test_a_wrong_claim_code_is_refused(yu, up, password) -> None:
    claimed = yu(
        "user", "claim", "mal@example.org", "--code", "AAAA-AAAA-AAAA-AAAA", "--password-stdin",
        "--data", up.data, stdin=password,
    )  # fmt: skip
    assert claimed.returncode == 1
    assert "claim code is wrong" in claimed.stderr
