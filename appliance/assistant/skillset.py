"""All the skills there are: found by listing their folder."""

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache

from appliance.assistant import skills
from appliance.assistant.skill import Skill


@cache
def all_skills() -> tuple[Skill, ...]:
    """One module each, found by listing the folder, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(skills.__path__))
    return tuple(importlib.import_module(f"{skills.__name__}.{name}").SKILL for name in names)


def tools(known: Sequence[Skill]) -> list[dict[str, object]]:
    """The skills as OpenAI's tools."""
    return [
        {
            "type": "function",
            "function": {"name": skill.NAME, "description": skill.DESCRIPTION, "parameters": skill.PARAMETERS},
        }
        for skill in known
        if skill.DESCRIPTION
    ]
