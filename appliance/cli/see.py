"""`yu see`"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.box import Document, open_box
from appliance.cli.console import document, note, run, say
from appliance.cli.options import Data, Json, Token, Url

app = typer.Typer(add_completion=False)


class Look(StrEnum):
    GENERAL = "general"
    OBJECTS = "objects"
    TEXT = "text"
    SCENE = "scene"


@app.command()
def see(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A picture.")],
    task: Annotated[Look, typer.Option(help="What to look for.")] = Look.GENERAL,
    question: Annotated[str | None, typer.Option("--ask", help="A question about the picture.")] = None,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Say what is in a picture, read its text, or answer a question about it."""

    async def work() -> None:
        async with open_box(data, url, token) as box:
            if question is None:
                seen = await box.upload("/api/v1/vision/analyze", "image", file, {"task": task.value})
            else:
                seen = await box.upload("/api/v1/vision/vqa", "image", file, {"question": question})
        if as_json:
            document(seen)
        else:
            _show(seen)

    run(work(), as_json)


def _show(seen: Document) -> None:
    say(str(seen.get("answer") or seen.get("analysis") or "Nothing to say about this picture."))
    for thing in seen.get("objects") or []:
        confidence = "" if thing.get("confidence") is None else f"  {thing['confidence']:.0%}"
        say(f"  {thing['name']}{confidence}  at {', '.join(str(edge) for edge in thing['bbox'])}")
    for line in seen.get("text") or []:
        say(f"  | {line['text'] if isinstance(line, dict) else line}")
    if seen.get("degraded"):
        note(f"Answered by {seen.get('model')}, not by this box's first choice.", style="yellow")
