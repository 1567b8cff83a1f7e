"""The `yu` command. A command's module is imported when it is called: `yu --help` takes 0.2 s, with all of them 1 s."""

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "up": "Start the box: its API and its engines. Ctrl-C stops it.",
    "ask": "Ask a question; the answer comes as it is made.",
    "say": "Turn text into speech.",
    "transcribe": "Turn speech into text.",
    "translate": "Translate a text.",
    "see": "Say what is in a picture, or read its text.",
    "user": "Add people; claim the box as its first admin.",
    "models": "What the box can run.",
    "doctor": "Check this machine and the box, and say how to repair what is broken.",
}

EXIT_CODES = """
[bold]Exit codes:[/] 0 done; 1 the box refused or failed (the message says why); 2 wrong usage;
3 the box is not running or cannot be reached; 130 interrupted.

[bold]Another box:[/] --url and --token, or the variables YU_URL and YU_TOKEN. Else the box of this machine:
--data, or YU_DATA, or $XDG_DATA_HOME/yu, or ~/.local/share/yu.
"""


class Commands(TyperGroup):
    """Help and completion need a name and a line of each command; only a call needs its module."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = {name: TyperCommand(name, help=line) for name, line in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, outline, rest = super().resolve_command(ctx, args)
        if outline is None:
            return name, None, rest
        return name, typer.main.get_command(import_module(f"appliance.cli.{name}").app), rest


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",  # markdown takes longer to import than all the rest
    pretty_exceptions_enable=False,
    epilog=EXIT_CODES,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"yu {version('yu')}")
        raise typer.Exit


@app.callback()
def yu(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Yu, the private AI box: it chats, listens, speaks, translates and sees, and nothing leaves it."""


def main() -> None:
    app(prog_name="yu")
