"""`yu doctor`"""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import typer
from rich.table import Table

from appliance.cli.box import open_box
from appliance.cli.checks import Finding, Verdict, machine
from appliance.cli.console import NotRunningError, Refused, document, plain, run, stdout
from appliance.cli.options import Data, Json, data_folder
from appliance.settings import Settings, read_settings
from appliance.supervisor.guards import PortTakenError, check_port
from appliance.supervisor.programs import API, plan

app = typer.Typer(add_completion=False)

COLOURS = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.BROKEN: "red"}


@app.command()
def doctor(data: Data = None, as_json: Json = False) -> None:
    """Check this machine and the box, and say how to repair what is broken. The exit code is 1 if something is."""
    findings = run(_examine(data_folder(data)), as_json)
    if as_json:
        document({"healthy": _healthy(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    if not _healthy(findings):
        raise typer.Exit(1)


async def _examine(data: Path) -> list[Finding]:
    settings = read_settings(data)
    missing = plan(settings).missing  # first, as it says what is wrong with the settings
    lacking = [Finding(f"engine {engine.name}", Verdict.BROKEN, engine.reason, engine.repair) for engine in missing]
    return [*await machine(settings), *lacking, *await _box(settings)]


async def _box(settings: Settings) -> list[Finding]:
    try:
        async with open_box(settings.data, None, None) as box:
            engines = (await box.json("GET", "/health/ready")).get("engines") or {}
    except NotRunningError:
        return [await asyncio.to_thread(_port, settings)]
    except Refused as error:
        return [Finding("box", Verdict.BROKEN, error.message, f"look at {settings.data / 'logs' / f'{API}.log'}")]
    return [Finding("box", Verdict.OK, "running"), *_engines(settings, engines)]


def _port(settings: Settings) -> Finding:
    try:
        check_port(settings.host, settings.port)
    except PortTakenError as error:
        return Finding("port", Verdict.BROKEN, error.message, f"yu up --port {settings.port % 65535 + 1}")
    return Finding("port", Verdict.OK, f"{settings.port} is free; the box is not running (start it: yu up)")


def _engines(settings: Settings, engines: dict[str, dict[str, str]]) -> Iterator[Finding]:
    for name, health in engines.items():
        if health["status"] == "ok":
            yield Finding(f"engine {name}", Verdict.OK, "answers")
        else:
            repair = f"look at {settings.data / 'logs' / f'{name}.log'}, then start the box again: yu up"
            yield Finding(f"engine {name}", Verdict.BROKEN, "does not answer", repair)


def _healthy(findings: list[Finding]) -> bool:
    return all(finding.verdict is not Verdict.BROKEN for finding in findings)


def _print(findings: list[Finding]) -> None:
    console = stdout()
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        table.add_row(f"[{COLOURS[finding.verdict]}]{finding.verdict}[/]", finding.name, plain(finding.found))
    console.print(table)
    for finding in findings:
        if finding.repair:
            console.print(f"{finding.name}: {plain(finding.repair)}", markup=False, soft_wrap=True)
    console.print("All is well." if _healthy(findings) else "Something is broken: see above.")
