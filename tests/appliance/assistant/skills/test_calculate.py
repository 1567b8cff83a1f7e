from datetime import datetime

import pytest

from appliance.assistant.skill import CannotError, Moment
from appliance.assistant.skills.calculate import SKILL

MOMENT = Moment(datetime(2026, 11, 23, 14, 5), [])


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("What is 12 * 12?", "12 * 12 = 144."),
        ("what's 2+2", "2+2 = 4."),
        ("What is 15% of 80?", "15% of 80 = 12."),
        ("0.1 + 0.2", "0.1 + 0.2 = 0.3."),
        ("how much is 7 divided by 2?", "7 divided by 2 = 3.5."),
        ("What is the square root of 144?", "the square root of 144 = 12."),
        ("what is 3 times 4 plus 5", "3 times 4 plus 5 = 17."),
        ("calculate (1 + 2) * 3", "(1 + 2) * 3 = 9."),
        ("What is 1,000 * 3?", "1,000 * 3 = 3000."),
        ("2 to the power of 10", "2 to the power of 10 = 1024."),
        ("What is 10 - 3?", "10 - 3 = 7."),
        ("1 / 3", "1 / 3 = 0.333333333333."),
        ("10 divided by 0", "Nothing can be divided by zero."),
        ("9**9**9", "That is not a sum I can work out."),
    ],
)
def test_sums_in_words_and_signs(asked: str, answer: str) -> None:
    assert SKILL.answer(asked, MOMENT) == answer


@pytest.mark.parametrize(
    "asked",
    ["hello", "What is love?", "call 555-1234-99", "2026-11-23", "", "__import__('os')", "1", "what is 5", "(" * 150],
)
def test_what_is_no_sum_is_left_to_others(asked: str) -> None:
    assert SKILL.answer(asked, MOMENT) is None


@pytest.mark.parametrize("expression", ["__import__('os').system('x')", "9**9**9**9", "a+b", "", "1" * 500, 12, None])
def test_a_model_cannot_make_it_run_anything_else(expression: object) -> None:
    with pytest.raises(CannotError):
        SKILL.use({"expression": expression} if expression != 12 else {}, MOMENT)


def test_a_models_call_is_answered_in_words() -> None:
    assert SKILL.use({"expression": "6 * 7"}, MOMENT) == "6 * 7 = 42."
