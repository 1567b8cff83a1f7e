"""Four ways to talk (spec 4.4): one text file each; the folder is the list."""

from functools import cache
from pathlib import Path
from typing import Literal

_FOLDER = Path(__file__).parent / "prompts"

Personality = Literal["assistant", "friend", "expert", "minimalist"]

DEFAULT: Personality = "friend"


@cache
def personalities() -> dict[str, str]:
    return {file.stem: file.read_text("utf-8").rstrip("\n") for file in sorted(_FOLDER.glob("*.txt"))}
