"""`yu translate`"""

from typing import Annotated

import typer

from appliance.cli.box import open_box
from appliance.cli.console import document, given_text, note, run, say
from appliance.cli.options import Data, Json, Token, Url

app = typer.Typer(add_completion=False)


@app.command()
def translate(
    text: Annotated[str, typer.Argument(help="The text; - reads it from stdin.")],
    to: Annotated[str, typer.Option("--to", help="Into which language: en, es …")],
    source: Annotated[str | None, typer.Option("--from", help="Its own language; the box finds out else.")] = None,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Translate a text. Without a translator it comes back as it is, and the exit code is 1."""
    request = {"text": given_text(text), "to_language": to, "from_language": source}

    async def work() -> None:
        async with open_box(data, url, token) as box:
            translation = await box.json("POST", "/api/v1/translate/text", request)
        if as_json:
            document(translation)
        else:
            say(str(translation["translation"]))
        if marker := translation.get("error"):
            note(str(marker["message"]), style="red")
            raise typer.Exit(1)

    run(work(), as_json)
