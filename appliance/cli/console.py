"""What people read: answers on stdout, all else on stderr; and how a failure becomes a message and an exit code."""

import asyncio
import json
import sys
from collections.abc import Coroutine, Mapping
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from appliance.errors import YuError

T = TypeVar("T")

PAPER_WIDTH = 160

# A model's answer may hold anything: on a terminal, control codes could move the cursor or set its title.
CONTROL_CODES = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class NotRunningError(YuError):
    """The box is not running. Start it: yu up"""


class Refused(YuError):
    """The box refused."""

    def __init__(self, message: str, code: str, details: Mapping[str, object], request_id: str | None = None) -> None:
        super().__init__(message, **details)
        self.code = code
        self.request_id = request_id


def run(work: Coroutine[object, object, T], as_json: bool = False) -> T:
    """The outermost edge of each command."""
    try:
        return asyncio.run(work)
    except YuError as error:
        raise fail(error, as_json) from error


def fail(error: YuError, as_json: bool = False) -> typer.Exit:
    note(error.message, style="red")
    for repair in repairs(error):
        note(f"  {repair}")
    request_id = error.request_id if isinstance(error, Refused) else None
    if as_json:
        told = {"code": error.code, "message": error.message, "details": error.details, "request_id": request_id}
        document({"error": told})
    elif request_id and error.code == YuError.code:
        note(f"  The box's log has more under {request_id}.")
    return typer.Exit(3 if isinstance(error, NotRunningError) else 1)


def repairs(error: YuError) -> list[str]:
    """What the box says can be done, where the message does not say so already."""
    told = (error.details.get(name) for name in ("repair", "command", "hint"))
    return [plain(str(repair)) for repair in told if repair and str(repair) not in error.message]


def plain(text: str) -> str:
    return text.translate(CONTROL_CODES)


def say(text: str, end: str = "\n") -> None:
    """To stdout at once."""
    typer.echo(plain(text) + end, nl=False)
    sys.stdout.flush()


def note(text: str, style: str = "") -> None:
    """To stderr."""
    stderr().print(plain(text), style=style, markup=False, soft_wrap=True)


def document(content: object) -> None:
    typer.echo(json.dumps(content, ensure_ascii=False, indent=2))


def stderr() -> Console:
    """Rich leaves colours out where there is no terminal or NO_COLOR is set."""
    return Console(stderr=True, highlight=False)


def stdout() -> Console:
    """For tables; not cut to a terminal's width where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PAPER_WIDTH)


def progress() -> Progress:
    """A bar on a terminal; elsewhere nothing."""
    console = stderr()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def given_text(text: str) -> str:
    """`-` stands for what comes on stdin."""
    content = sys.stdin.read() if text == "-" else text
    if not content.strip():
        raise typer.BadParameter("There is no text.")
    return content
