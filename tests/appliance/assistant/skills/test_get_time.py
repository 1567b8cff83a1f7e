from datetime import datetime

import pytest

from appliance.assistant.skill import Moment
from appliance.assistant.skills.get_time import SKILL

MOMENT = Moment(datetime(2026, 11, 23, 14, 5), [])


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("What time is it?", "It is 14:05."),
        ("what's the time", "It is 14:05."),
        ("What day is it today?", "Today is Monday, 23 November 2026."),
        ("What's the date?", "Today is Monday, 23 November 2026."),
        ("what day is tomorrow", "Tomorrow is Tuesday, 24 November 2026."),
        ("I had a good time", None),
    ],
)
def test_time_and_date(asked: str, answer: str | None) -> None:
    assert SKILL.answer(asked, MOMENT) == answer


def test_a_model_gets_both() -> None:
    assert SKILL.use({}, MOMENT) == "It is 14:05 on Monday, 23 November 2026."
