from datetime import datetime

from appliance.assistant.skill import Moment
from appliance.assistant.skills.help import SKILL
from appliance.assistant.skillset import all_skills, tools


def test_help_lists_what_every_skill_can_do() -> None:
    examples = [example for skill in all_skills() for example in skill.EXAMPLES]
    answer = SKILL.answer("What can you do?", Moment(datetime(2026, 11, 23), examples))
    assert answer is not None and all(example in answer for example in examples)


def test_help_is_no_tool_and_the_others_are() -> None:
    assert [tool["function"]["name"] for tool in tools(all_skills())] == ["calculate", "get_time"]  # type: ignore[index]
