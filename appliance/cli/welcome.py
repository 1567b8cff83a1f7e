"""What a box says when it is ready: where it is, who claims it how, and what to try."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from appliance.cli.options import default_data_folder
from appliance.settings import CHECKOUT, Settings

SAMPLE = CHECKOUT / "tests" / "samples" / "page.png"


def welcome(settings: Settings, url: str) -> Iterator[str]:
    yield f"Yu is ready: {url}   (data: {_short(settings.data)}, profile {settings.profile})"
    claim_code = settings.data / "claim-code"
    if claim_code.exists():
        command = _command(settings, "user", "claim", "you@example.org")
        yield f"Claim this box (first admin): claim code {claim_code.read_text('ascii').strip()}  →  {command}"
    yield "Try, in another terminal:"
    yield f"  {_command(settings, 'ask', 'What is 12 * 12?')}"
    yield f"  {_command(settings, 'say', 'Hello, I am Yu.', '-o', 'hello.wav')}"
    yield f"  {_command(settings, 'see', _relative(SAMPLE)) if SAMPLE.exists() else _command(settings, 'doctor')}"
    yield "Ctrl-C stops the box."


def _command(settings: Settings, *arguments: str) -> str:
    """As it can be pasted into a shell: the program by the shortest name that finds it, the data folder if unusual."""
    data = [] if settings.data == default_data_folder() else ["--data", str(settings.data)]
    return " ".join([shlex.quote(program()), *(_quoted(argument) for argument in (*arguments, *data))])


def program() -> str:
    ours = Path(sys.executable).with_name("yu")
    found = shutil.which("yu")
    return "yu" if found and ours.exists() and ours.samefile(found) else _relative(ours)


def _quoted(argument: str) -> str:
    """As people write it: in double quotes, where these change nothing."""
    if shlex.quote(argument) == argument or any(letter in argument for letter in "'\"$`\\!"):
        return shlex.quote(argument)
    return f'"{argument}"'


def _relative(file: Path) -> str:
    """Below the folder we are in: from there; else whole."""
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)


def _short(folder: Path) -> str:
    return f"~/{folder.relative_to(Path.home())}" if folder.is_relative_to(Path.home()) else str(folder)
