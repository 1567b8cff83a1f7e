from dataclasses import replace
from pathlib import Path

import pytest

from models.card import CardError, File, damaged_file, read_card
from models.catalog import UnknownModelError, card, cards, cards_for
from models.profiles import profile, profile_names
from models.tasks import Task

CARD = """
name = "tiny"
tasks = ["speak"]
engine = "espeak"
licence = "MIT"
commercial_use = true
description = "…"
source = { kind = "system" }
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "tiny.toml"
    file.write_text(text)
    return file


def test_a_card_is_read(tmp_path: Path) -> None:
    tiny = read_card(write(tmp_path, CARD))
    assert (tiny.name, tiny.tasks, tiny.folder) == ("tiny", (Task.SPEAK,), None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (CARD.replace("tiny", "other"), "file's own"),
        (CARD.replace("speak", "sing"), "tasks"),
        (CARD.replace('licence = "MIT"', ""), "licence"),
        (CARD + "colour = 'red'", "colour"),
        (CARD.replace('kind = "system"', 'kind = "pickle"'), "source"),
        ("name = ", "tiny.toml"),
    ],
)
def test_a_mistake_in_a_card_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(CardError, match=r"tiny\.toml") as mistake:
        read_card(write(tmp_path, text))
    assert named in str(mistake.value)


@pytest.mark.parametrize("name", cards())
def test_every_bundled_file_is_what_its_card_says(name: str) -> None:
    assert damaged_file(card(name)) is None


def test_a_file_that_was_changed_or_is_gone_is_found() -> None:
    micro = card("micro-chat")
    changed = replace(micro.files[0], sha256="0" * 64)
    assert damaged_file(replace(micro, files=(*micro.files[1:], changed))) == changed.path
    assert damaged_file(replace(micro, files=(File("weights.bin", "0" * 64),))) == "weights.bin"


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_names_models_of_the_catalogue_that_do_the_task(name: str) -> None:
    for task, links in profile(name).items():
        assert set(links) <= {card.name for card in cards_for(task)}


def test_an_unknown_model_says_where_to_look() -> None:
    with pytest.raises(UnknownModelError, match="yu models list"):
        card("nobody")
