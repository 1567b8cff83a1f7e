"""What the box can do, for one who asks."""

import re
from collections.abc import Mapping, Sequence

from appliance.assistant.skill import Moment

_ASKED = re.compile(
    r"(?i)\bwhat can you do\b|\bhow can you help\b|\bwhat do you do\b|\bwhat are you able to\b"
    r"|^\W*help\W*$|\bwho are you\b"
)
_GREETING = re.compile(r"(?i)^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening))(?:,? yu)?\W*$")


class Help:
    NAME = "help"
    DESCRIPTION = ""  # a model needs no tool to say this
    PARAMETERS: Mapping[str, object] = {}
    EXAMPLES: Sequence[str] = ("What can you do?",)

    def answer(self, text: str, moment: Moment) -> str | None:
        if _GREETING.search(text):
            return "Hello, I am Yu. Ask me what I can do."
        return self.use({}, moment) if _ASKED.search(text) else None

    def use(self, arguments: Mapping[str, object], moment: Moment) -> str:
        examples = "\n".join(f"- {example}" for example in moment.examples)
        return f"I am Yu, the assistant of this box. Nothing you say leaves it. Try:\n{examples}"


SKILL = Help()
