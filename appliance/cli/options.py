"""The options that commands share, and where a box keeps its data."""

import os
from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", envvar="YU_DATA", show_default=False, help="The box's data folder."),
]
Url = Annotated[
    str | None, typer.Option("--url", envvar="YU_URL", show_default=False, help="A box elsewhere: its address.")
]
Token = Annotated[
    str | None, typer.Option("--token", envvar="YU_TOKEN", show_default=False, help="An access token for it.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]


def data_folder(given: Path | None) -> Path:
    return (given or default_data_folder()).expanduser().absolute()


def default_data_folder() -> Path:
    """Without `--data` and `YU_DATA`."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "yu"
