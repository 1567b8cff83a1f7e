"""`yu models`"""

import asyncio
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.table import Table

from appliance.cli.console import document, run, stdout
from appliance.cli.options import Data, Json, data_folder
from appliance.settings import Settings, read_settings
from appliance.supervisor.child import is_healthy
from appliance.supervisor.programs import Program, venv_of
from models.card import Card
from models.catalog import cards, cards_for
from models.tasks import Task

app = typer.Typer(add_completion=False, no_args_is_help=True)


@dataclass(frozen=True)
class Row:
    name: str
    tasks: tuple[str, ...]
    engine: str
    licence: str
    commercial_use: bool
    memory_mb: int | None
    installed: bool
    running: bool
    description: str


@app.callback()
def models() -> None:
    """What the box can run."""


@app.command("list")
def list_models(
    task: Annotated[Task | None, typer.Option(help="Only those for this task.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """All models of the catalogue: what they do, under which licence, and whether they are installed and running."""

    async def work() -> list[Row]:
        settings = read_settings(data_folder(data))
        chosen = cards_for(task) if task else list(cards().values())
        return list(await asyncio.gather(*(_row(settings, card) for card in chosen)))

    rows = run(work(), as_json)
    if as_json:
        document({"models": [asdict(row) for row in rows]})
    else:
        _print(rows)


async def _row(settings: Settings, card: Card) -> Row:
    return Row(
        name=card.name,
        tasks=tuple(task.value for task in card.tasks),
        engine=card.engine,
        licence=card.licence,
        commercial_use=card.commercial_use,
        memory_mb=card.memory_mb,
        installed=venv_of(settings, card).exists() and has_files(card),
        running=await is_healthy(Program(card.name, (), settings.socket(card.name))),
        description=card.description,
    )


def has_files(card: Card) -> bool:
    """The operating system's packages are the engine's own matter; `yu doctor` looks at them."""
    return card.source.kind == "system" or (card.folder is not None and card.folder.is_dir())


def _print(rows: list[Row]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("Model", "Tasks", "Engine", "Licence", "Commercial use", "Memory", "State"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        commercial = "allowed" if row.commercial_use else "no"
        memory = f"{row.memory_mb} MB" if row.memory_mb else "-"
        state = "running" if row.running else "installed" if row.installed else "not installed"
        table.add_row(row.name, ", ".join(row.tasks), row.engine, row.licence, commercial, memory, state)
    stdout().print(table)
