"""The time and the date, on the clock of the box."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from appliance.assistant.skill import Moment

_TIME = re.compile(
    r"(?i)\bwhat(?:'s| is)? (?:the )?(?:current )?time\b"
    r"|\bwhat time is it\b|\bthe time,? please\b|^time\W*$"
)
_DATE = re.compile(
    r"(?i)\bwhat(?:'s| is)? (?:the date|today's date|the day|today)\b|\bwhat (?:date|day) is (?:it|today|it today)\b"
    r"|\bwhich day is (?:it|today)\b|^date\W*$"
)
_TOMORROW = re.compile(r"(?i)\bwhat (?:date|day) is tomorrow\b|\bwhat(?:'s| is) tomorrow's date\b")


class GetTime:
    NAME = "get_time"
    DESCRIPTION = "The time and the date now, on the clock of the box."
    PARAMETERS: Mapping[str, object] = {"type": "object", "properties": {}, "additionalProperties": False}
    EXAMPLES: Sequence[str] = ("What time is it?", "What day is it today?")

    def answer(self, text: str, moment: Moment) -> str | None:
        if _TOMORROW.search(text):
            return f"Tomorrow is {_day(moment.now + timedelta(days=1))}."
        if _DATE.search(text):
            return f"Today is {_day(moment.now)}."
        return f"It is {moment.now:%H:%M}." if _TIME.search(text) else None

    def use(self, arguments: Mapping[str, object], moment: Moment) -> str:
        return f"It is {moment.now:%H:%M} on {_day(moment.now)}."


def _day(moment: datetime) -> str:
    return f"{moment:%A}, {moment.day} {moment:%B %Y}"


SKILL = GetTime()
