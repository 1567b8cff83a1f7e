"""`yu say`"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.box import Box, open_box
from appliance.cli.console import document, given_text, note, run
from appliance.cli.options import Data, Json, Token, Url
from models.tasks import AudioFormat

app = typer.Typer(add_completion=False)

STDOUT = Path("-")


@app.command()
def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads it from stdin.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file; its ending is the format. - is stdout.")],
    voice: Annotated[str | None, typer.Option(help="The voice's name.")] = None,
    language: Annotated[str | None, typer.Option(help="The language's code: en, es …")] = None,
    speed: Annotated[float | None, typer.Option(min=0.25, max=4.0, help="1 is normal.")] = None,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Turn text into speech."""
    if output == STDOUT and as_json:
        raise typer.BadParameter("--json and -o -: only one of them can have stdout.")
    request = {
        "text": given_text(text),
        "voice": voice,
        "language": language,
        "speed": speed,
        "format": _format_of(output).value,
    }

    async def work() -> None:
        async with open_box(data, url, token) as box:
            speech = await box.json("POST", "/api/v1/voice/synthesize", request)
            await _save(box, str(speech["audio_url"]), output)
        if as_json:
            document({**speech, "file": str(output)})
        elif output != STDOUT:
            note(f"{output}: {speech['duration']:.1f} s, by {speech['model']}")

    run(work(), as_json)


def _format_of(output: Path) -> AudioFormat:
    if output == STDOUT:
        return AudioFormat.WAV
    ending = output.suffix.lower().removeprefix(".")
    try:
        return AudioFormat("opus" if ending == "ogg" else ending)
    except ValueError:
        endings = ", ".join(f".{format}" for format in AudioFormat)
        raise typer.BadParameter(f"The file's ending says the format: {endings}.", param_hint="--output") from None


async def _save(box: Box, path: str, output: Path) -> None:
    """A file is there whole or not at all."""
    if output == STDOUT:
        await box.download(path, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            await box.download(path, file)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
