"""`yu up`"""

import asyncio
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from appliance.cli.console import run
from appliance.cli.options import Data, data_folder
from appliance.cli.screen import Screen
from appliance.cli.welcome import welcome
from appliance.errors import YuError
from appliance.settings import Settings, read_settings
from appliance.supervisor import Supervisor
from appliance.supervisor.guards import check_port, only_one
from appliance.supervisor.programs import plan

app = typer.Typer(add_completion=False)


@app.command()
def up(
    host: Annotated[str | None, typer.Option(metavar="H", help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port; 0 is any free one.")] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="Which models to run.")] = None,
    data: Data = None,
) -> None:
    """Start the box: its API and its engines. It runs until Ctrl-C; a second Ctrl-C ends it at once."""
    given = {"host": host, "port": port, "profile": profile}

    async def work() -> None:
        settings = read_settings(data_folder(data), **given)
        with only_one(settings.data):
            check_port(settings.host, settings.port)
            arguments = [(f"--{name}", str(value)) for name, value in given.items() if value is not None]
            with _run_folder(settings):
                await _run(settings, tuple(word for pair in arguments for word in pair))

    run(work())


async def _run(settings: Settings, api_arguments: tuple[str, ...]) -> None:
    chosen = plan(settings, api_arguments)

    def address() -> str:
        return chosen.programs[0].address() or ""

    screen = Screen(Console(highlight=False), chosen.programs, lambda: welcome(settings, address()))
    for missing in chosen.missing:
        screen.line(f"{missing.name}: not started, {missing.reason}. To have it: {missing.repair}")
    supervisor = Supervisor(chosen.programs, settings.data / "logs", screen.tell)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, supervisor, screen)
    with screen:
        if not await supervisor.run():
            raise YuError(f"The API does not stay up: {settings.data / 'logs' / 'api.log'} says why.")
    screen.line("The box is stopped.")


def _stop(supervisor: Supervisor, screen: Screen) -> None:
    screen.line("Stopping; once more ends everything at once.")
    supervisor.stop()


@contextmanager
def _run_folder(settings: Settings) -> Iterator[None]:
    """Empty at the start, whatever a killed box left, and gone with this one: its URL and token mean nothing then."""
    shutil.rmtree(settings.run_folder, ignore_errors=True)
    settings.run_folder.mkdir(mode=0o700)
    try:
        yield
    finally:
        shutil.rmtree(settings.run_folder, ignore_errors=True)
