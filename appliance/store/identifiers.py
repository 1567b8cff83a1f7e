"""Names of things: a word for the reader and 128 random bits for everybody else."""

import re
import secrets

_SHAPE = re.compile(r"[a-z]+_[0-9a-f]{32}")


def new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(16)}"


def is_id(kind: str, text: str) -> bool:
    return bool(_SHAPE.fullmatch(text)) and text.startswith(f"{kind}_")
