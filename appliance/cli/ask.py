"""`yu ask`"""

from contextlib import aclosing
from typing import Annotated

import typer

from appliance.cli.box import Box, Document, open_box, refusal
from appliance.cli.console import document, given_text, note, run, say
from appliance.cli.options import Data, Json, Token, Url
from appliance.errors import NotFoundError, YuError

app = typer.Typer(add_completion=False)


@app.command()
def ask(
    text: Annotated[str, typer.Argument(help="The question; - reads it from stdin.")],
    personality: Annotated[str | None, typer.Option(help="assistant, friend, expert or minimalist.")] = None,
    conversation: Annotated[str | None, typer.Option(metavar="ID", help="Go on with this conversation.")] = None,
    go_on: Annotated[bool, typer.Option("--continue", help="Go on with the last conversation.")] = False,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Ask a question; the answer comes as it is made. Ctrl-C stops it, on the box too."""
    if conversation and go_on:
        raise typer.BadParameter("--conversation and --continue: one of the two.")
    request = {"message": given_text(text), "personality": personality, "conversation_id": conversation}

    async def work() -> None:
        async with open_box(data, url, token) as box:
            if go_on:
                request["conversation_id"] = await _last_conversation(box)
            complete = await _answer(box, request, show=not as_json)
        if as_json:
            document(complete)
        elif complete.get("degraded"):
            note(f"Answered by {complete.get('model')}, not by this box's first choice.", style="yellow")

    run(work(), as_json)


async def _last_conversation(box: Box) -> str:
    latest = (await box.json("GET", "/api/v1/chat/conversations?limit=1"))["conversations"]
    if not latest:
        raise NotFoundError("There is no conversation yet to go on with. Ask without --continue.")
    return str(latest[0]["id"])


async def _answer(box: Box, request: Document, show: bool) -> Document:
    """Shows the tokens as they come; what the last event says of the whole."""
    async with aclosing(box.stream("/api/v1/chat/stream", request)) as events:
        async for event in events:
            content = event.get("data")
            if event.get("type") == "error":
                raise refusal(dict(content or {}), 500)
            if event.get("type") == "complete":
                if show:
                    say("")
                return dict(content or {})
            if event.get("type") == "token" and show:
                say(str(content), end="")
    raise YuError("The box closed the connection before the answer was whole.")
