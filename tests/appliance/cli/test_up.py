"""`yu up`, from its first line to its last."""

import fcntl
import os
import pty
import re
import shlex
import signal
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.running import CHECKOUT, wait_until

from .conftest import YU, Up, children_of, clean_environment

pytestmark = pytest.mark.system


def test_the_welcome_names_the_address_the_claim_code_and_what_to_try(up: Up) -> None:
    assert f"Yu is ready: {(up.data / 'run' / 'url').read_text()}" in up.printed
    assert "profile base" in up.printed
    assert "\x1b" not in up.printed and "\r" not in up.printed


def test_the_commands_of_the_welcome_work_as_they_are_printed(up: Up, tmp_path: Path) -> None:
    commands = [line.strip() for line in up.printed.splitlines() if re.match(r"  \S*yu ", line)]
    assert len(commands) == 3
    for command in commands:
        shorter = command.replace("-o hello.wav", f"-o {tmp_path / 'hello.wav'}")
        done = subprocess.run(shorter, shell=True, capture_output=True, text=True, cwd=CHECKOUT, timeout=60)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "hello.wav").read_bytes().startswith(b"RIFF")


def test_the_claim_code_with_its_command_makes_the_first_admin(start, yu, password: str) -> None:
    box = start()
    printed = box.read_until("Ctrl-C stops the box")
    code, command = re.search(r"claim code (\S+)  →  (.+)", printed).groups()
    assert code == (box.data / "claim-code").read_text()
    claimed = yu(*shlex.split(command)[1:], "--password-stdin", stdin=password)
    assert (claimed.returncode, claimed.stdout) == (0, "you@example.org can log in now (admin).\n")
    again = yu(*shlex.split(command)[1:], "--password-stdin", stdin=password)
    assert again.returncode == 1
    assert "has an admin already" in again.stderr


def test_ctrl_c_ends_the_box_and_all_its_processes(start) -> None:
    box = start()
    box.read_until("Ctrl-C stops the box")
    children = children_of(box.process.pid)
    assert len(children) == 5
    assert box.stop() == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not (box.data / "run").exists()


def test_a_killed_box_leaves_no_process_and_starts_again(start) -> None:
    box = start()
    box.read_until("Ctrl-C stops the box")
    children = children_of(box.process.pid)
    box.process.kill()
    box.process.wait(10)
    wait_until(lambda: not any(is_running(child) for child in children), 15, "the children's end")
    start().read_until("Ctrl-C stops the box")


def test_an_api_and_an_engine_that_die_come_back(start, yu) -> None:
    box = start()
    box.read_until("Ctrl-C stops the box")
    os.kill(box.pid_of("espeak"), signal.SIGKILL)
    box.read_until("espeak: ended with signal 9, again in 1 s")
    os.kill(box.pid_of("api"), signal.SIGKILL)
    box.read_until("API: ended with signal 9, again in 1 s")
    wait_until((box.data / "run" / "url").exists, 20, "the new API")
    assert yu("ask", "What is 2 + 3?", "--data", box.data).stdout == "2 + 3 = 5.\n"


def test_a_second_box_on_the_same_data_is_refused(up: Up, yu) -> None:
    second = yu("up", "--data", up.data, "--port", "0")
    assert second.returncode == 1
    assert "already up" in second.stderr


def test_a_taken_port_is_refused_before_anything_starts(yu, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = yu("up", "--data", tmp_path / "data", "--port", str(taken.getsockname()[1]))
    assert refused.returncode == 1
    assert "yu up --port" in refused.stderr
    assert refused.stdout == ""


def test_wrong_settings_are_named(yu, tmp_path: Path) -> None:
    refused = yu("up", "--data", tmp_path / "data", "--port", "0", "--profile", "golden")
    assert refused.returncode == 1
    assert "no profile 'golden'" in refused.stderr


def test_an_engine_without_its_venv_is_left_out_and_the_box_comes_up(start, yu) -> None:
    box = start(YU_VENVS__ENGINES="/nonexistent/python")
    printed = box.read_until("Ctrl-C stops the box")
    assert re.search(r"espeak: not started, .* To have it: .*scripts/setup'? engines", printed)
    assert yu("ask", "What is 2 + 3?", "--data", box.data).returncode == 0


def test_the_language_model_is_not_waited_for(start, tmp_path: Path) -> None:
    """Its interpreter is a program that never listens."""
    sleeps = tmp_path / "python"
    sleeps.write_text("#!/bin/sh\nexec sleep 600\n")
    sleeps.chmod(0o700)
    box = start("--profile", "micro", YU_VENVS__LLM=str(sleeps))
    box.read_until("Ctrl-C stops the box")
    box.read_until("language model (micro-chat): starting, usually 30-90 s")


def test_on_a_terminal_the_lines_change_in_place(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    command = [YU, "up", "--data", str(tmp_path / "data"), "--port", "0"]
    environment = clean_environment() | {"TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment, cwd=CHECKOUT)
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 40
    while b"Ctrl-C stops" not in shown and time.monotonic() < deadline:
        shown += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    os.close(ours)
    assert b"\x1b[" in shown
    assert "✓".encode() in shown
    assert b"Yu is ready" in shown


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
