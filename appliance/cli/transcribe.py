"""`yu transcribe`"""

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.box import open_box
from appliance.cli.console import document, run, say
from appliance.cli.options import Data, Json, Token, Url

app = typer.Typer(add_completion=False)


@app.command()
def transcribe(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A sound file.")],
    language: Annotated[str | None, typer.Option(help="The language spoken: en, es …")] = None,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Turn speech into text."""

    async def work() -> None:
        async with open_box(data, url, token) as box:
            transcript = await box.upload("/api/v1/voice/transcribe", "audio", file, {"language": language})
        if as_json:
            document(transcript)
        else:
            say(str(transcript["transcription"]))

    run(work(), as_json)
