"""`yu user`"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.box import Document, open_box
from appliance.cli.console import NotRunningError, document, run, say
from appliance.cli.options import Data, Json, Token, Url, data_folder
from appliance.errors import ForbiddenError
from appliance.runtime import open_runtime
from appliance.settings import read_settings

app = typer.Typer(add_completion=False, no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The person's e-mail address; it is the name to log in with.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")]
Username = Annotated[str | None, typer.Option(help="A short name to be called by.")]


@app.callback()
def user() -> None:
    """Add people; claim the box as its first admin."""


@app.command()
def add(
    email: Email,
    password_stdin: FromStdin = False,
    admin: Annotated[bool, typer.Option("--admin", help="Who may change the box itself.")] = False,
    username: Username = None,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Add an account, whether the box is running or not."""
    body = {"email": email, "password": _password(password_stdin), "role": "admin" if admin else "user"}

    async def work() -> None:
        try:
            async with open_box(data, url, token) as box:
                account = await box.json("POST", "/api/v1/users", {**body, "username": username})
        except NotRunningError:
            if url is not None:
                raise
            account = await _add_to_store(data, body, username)
        _show(account, as_json)

    run(work(), as_json)


@app.command()
def claim(
    email: Email,
    password_stdin: FromStdin = False,
    username: Username = None,
    code: Annotated[str | None, typer.Option(help="The claim code; else read from the data folder.")] = None,
    data: Data = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Become the first admin of a new box."""

    async def work() -> None:
        async with open_box(data, url, token=None) as box:
            body = {"email": email, "username": username, "claim_code": code or _claim_code(data_folder(data))}
            body["password"] = _password(password_stdin)
            account = (await box.json("POST", "/api/v1/auth/register", body))["user"]
        _show(account, as_json)

    run(work(), as_json)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("There is no terminal to ask for the password: give --password-stdin.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _claim_code(data: Path) -> str:
    file = data / "claim-code"
    if not file.exists():
        raise ForbiddenError("This box has an admin already. They can add you: yu user add EMAIL")
    return file.read_text("ascii").strip()


async def _add_to_store(data: Path | None, body: Document, username: str | None) -> Document:
    async with open_runtime(read_settings(data_folder(data))) as box:
        account = await box.accounts.add(body["email"], body["password"], role=body["role"], username=username)
    return {"id": account.id, "email": account.email, "username": account.username, "role": account.role}


def _show(account: Document, as_json: bool) -> None:
    if as_json:
        document({name: account.get(name) for name in ("id", "email", "username", "role")})
    else:
        say(f"{account['email']} can log in now ({account['role']}).")
