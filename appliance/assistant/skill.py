"""What the box answers by itself, without a language model; with one, the same skill is its tool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class CannotError(Exception):
    """The skill was asked for something that it cannot do; the message says why."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a skill may know of the moment it is asked in."""

    now: datetime
    examples: Sequence[str]


class Skill(Protocol):
    """`NAME`, `DESCRIPTION` and `PARAMETERS` (JSON Schema) are what a model reads; `EXAMPLES` are for people."""

    NAME: str
    DESCRIPTION: str
    PARAMETERS: Mapping[str, object]
    EXAMPLES: Sequence[str]

    def answer(self, text: str, moment: Moment) -> str | None:
        """The answer to a sentence of the user's, or `None` if it is not this skill's business."""

    def use(self, arguments: Mapping[str, object], moment: Moment) -> str:
        """The answer to a model's call. Raises `CannotError`."""
