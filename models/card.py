"""A model card: one TOML file of the catalogue, checked and frozen."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from models.tasks import Task

_CLOSED = ConfigDict(extra="forbid")


class CardError(ValueError):
    """A card of the catalogue is not valid."""


@dataclass(frozen=True)
class Source:
    """Where a model's files come from: the system's packages, this repository, or a hub."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    kind: Literal["system", "bundled", "huggingface", "url"]
    path: str | None = None  # of bundled files, below the `models` package
    repository: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class File:
    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    path: str
    sha256: str


@dataclass(frozen=True)
class Card:
    """`languages` are ISO 639-1 codes; empty when the engine itself says at run time."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    name: str
    tasks: tuple[Task, ...]
    engine: str
    licence: str
    commercial_use: bool
    description: str
    source: Source
    languages: tuple[str, ...] = ()
    memory_mb: int | None = None
    files: tuple[File, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def folder(self) -> Path | None:
        """Where the card's own files lie, for a bundled model."""
        if self.source.path is None:
            return None
        return Path(__file__).parent / self.source.path


def damaged_file(card: Card) -> str | None:
    """The first of a bundled model's files that is missing or is not what its card says: such a model is not loaded."""
    folder = card.folder
    if folder is None:
        return None
    return next((file.path for file in card.files if not _is_as_listed(folder / file.path, file.sha256)), None)


def _is_as_listed(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == sha256


_CARD = TypeAdapter(Card)


def read_card(file: Path) -> Card:
    """Raises `CardError` naming the file and the field."""
    try:
        card = _CARD.validate_python(tomllib.loads(file.read_text("utf-8")), strict=False)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise CardError(f"{file.name}: {error}") from error
    if card.name != file.stem:
        raise CardError(f"{file.name}: the name inside is {card.name!r}; it must be the file's own")
    return card
