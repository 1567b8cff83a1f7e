"""Every card of the catalogue: the folder is the list."""

from functools import cache
from pathlib import Path

from models.card import Card, read_card
from models.tasks import Task

FOLDER = Path(__file__).parent / "catalog"


class UnknownModelError(KeyError):
    """There is no such model in the catalogue."""

    def __str__(self) -> str:
        return f"There is no model {self.args[0]!r} in the catalogue; `yu models list` shows all."


@cache
def cards() -> dict[str, Card]:
    return {file.stem: read_card(file) for file in sorted(FOLDER.glob("*.toml"))}


def card(name: str) -> Card:
    try:
        return cards()[name]
    except KeyError:
        raise UnknownModelError(name) from None


def cards_for(task: Task) -> list[Card]:
    return [card for card in cards().values() if task in card.tasks]
