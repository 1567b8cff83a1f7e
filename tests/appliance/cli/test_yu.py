"""`yu` itself: its help, its speed, its completion, and what is the same for every command."""

import json
import os
import subprocess
import sys
from importlib import import_module

import pytest
import typer

from appliance.cli import COMMANDS
from tests.running import CHECKOUT

from .conftest import YU, clean_environment


def test_the_help_lists_the_commands_and_the_exit_codes(yu) -> None:
    shown = yu("--help")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in COMMANDS)
    assert "Exit codes" in shown.stdout and "130 interrupted" in shown.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_help_begins_as_the_command_describes_itself(name: str) -> None:
    command = typer.main.get_command(import_module(f"appliance.cli.{name}").app)
    assert (command.help or "").split()[:2] == COMMANDS[name].split()[:2]


def test_the_help_needs_neither_http_nor_settings() -> None:
    """They take three quarters of a second to import; measured: the help takes 0.25 s, with all commands 1 s."""
    code = "import appliance.cli, sys; print([name for name in ('aiohttp', 'pydantic', 'rich') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
    assert shown.stdout == "[]\n"


def test_the_version_is_shown(yu) -> None:
    assert yu("--version").stdout.startswith("yu 0.")


def test_a_misspelt_command_is_corrected_and_a_usage_error_is_2(yu) -> None:
    misspelt = yu("transalte", "x")
    assert misspelt.returncode == 2
    assert "Did you mean" in misspelt.stderr and "'translate'" in misspelt.stderr
    assert yu("translate", "x").returncode == 2


def test_a_box_that_is_not_running_is_3(yu, tmp_path) -> None:
    asked = yu("ask", "hello", "--data", tmp_path)
    assert (asked.returncode, asked.stdout) == (3, "")
    assert asked.stderr == "The box is not running. Start it: yu up\n"


def test_an_address_where_nobody_listens_is_3(yu) -> None:
    assert yu("ask", "hello", "--url", "http://127.0.0.1:1").returncode == 3


def test_an_error_is_a_json_document_too(yu, tmp_path, up) -> None:
    assert json.loads(yu("ask", "x", "--json", "--data", tmp_path).stdout)["error"]["message"].startswith("The box")
    refused = yu("ask", "x", "--json", "--url", (up.data / "run" / "url").read_text(), "--token", "wrong")
    error = json.loads(refused.stdout)["error"]
    assert (refused.returncode, error["code"]) == (1, "UNAUTHORIZED")
    assert error["request_id"].startswith("req_")


def test_a_box_elsewhere_is_named_by_variables(yu, up) -> None:
    run = up.data / "run"
    variables = {"YU_URL": (run / "url").read_text(), "YU_TOKEN": (run / "console.token").read_text()}
    assert yu("ask", "What is 2 + 3?", **variables).stdout == "2 + 3 = 5.\n"


def test_the_consoles_token_goes_to_no_other_address(yu, up) -> None:
    refused = yu("ask", "x", "--data", up.data, "--url", (up.data / "run" / "url").read_text())
    assert refused.returncode == 1
    assert "Log in first" in refused.stderr


@pytest.mark.parametrize(
    ("shell", "variables", "expected"),
    [
        ("bash", {"COMP_WORDS": "yu tra", "COMP_CWORD": "1"}, ["transcribe", "translate"]),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "yu tra"}, ["transcribe", "translate"]),
        ("bash", {"COMP_WORDS": "yu see --ta", "COMP_CWORD": "2"}, ["--task"]),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "yu user cl"}, ["claim"]),
    ],
)
def test_shells_complete_commands_and_their_options(shell: str, variables: dict[str, str], expected: list[str]) -> None:
    environment = clean_environment() | variables | {"_YU_COMPLETE": f"complete_{shell}"}
    shown = subprocess.run([YU], capture_output=True, text=True, env=environment, timeout=30)
    assert shown.returncode == 0, shown.stderr
    assert all(word in shown.stdout for word in expected)
    assert "doctor" not in shown.stdout


def test_bash_completes_after_the_completion_was_installed(tmp_path) -> None:
    environment = clean_environment() | {"HOME": str(tmp_path), "SHELL": "/bin/bash"}
    environment["PATH"] = f"{YU.parent}:{os.environ['PATH']}"
    install = ["bash", "-c", "yu --install-completion; exit"]  # it asks which shell it was called from
    subprocess.run(install, env=environment, check=True, capture_output=True, timeout=30)
    script = (
        'source ~/.bashrc; COMP_WORDS=(yu trans); COMP_CWORD=1; _yu_completion yu; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, timeout=30)
    assert shown.stdout.split() == ["transcribe", "translate"], shown.stderr
