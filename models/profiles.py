"""A profile names, for each task, the models to try in order. One TOML file each; the folder is the list."""

import tomllib
from functools import cache
from pathlib import Path

from models.tasks import Task

FOLDER = Path(__file__).parent / "profiles"

Chains = dict[Task, tuple[str, ...]]


class UnknownProfileError(KeyError):
    """There is no such profile."""

    def __str__(self) -> str:
        return f"There is no profile {self.args[0]!r}; there are: {', '.join(profile_names())}."


def profile_names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


@cache
def profile(name: str) -> Chains:
    """The profile's chains; a task that it leaves out has an empty one."""
    if name not in profile_names():
        raise UnknownProfileError(name)
    table = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    return {task: tuple(table["chains"].get(task, ())) for task in Task}
