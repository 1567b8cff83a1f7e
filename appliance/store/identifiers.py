"""Names of things: a word for the reader and 128 random bits for everybody else."""

import secrets


def new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(16)}"
