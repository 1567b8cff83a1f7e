"""Sums, exactly: "what is 12 * 12", "15% of 80", "square root of 2"."""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

from appliance.assistant.skill import CannotError, Moment

_ASKED = re.compile(
    r"(?i)^(?:hey |ok )?(?:yu,? )?(?:what(?:'s| is| are)|how much (?:is|are)|calculate|compute|work out)?"
    r"\s*(.+?)[\s?=.!]*$"
)

_WORDS = (
    (r"\bmultiplied by\b|\btimes\b|[\u00d7\u00b7]", "*"),
    (r"\bdivided by\b|\bover\b|\u00f7", "/"),
    (r"\bplus\b", "+"),
    (r"\bminus\b|\u2212", "-"),
    (r"\bto the power of\b|\^", "**"),
    (r"\bsquared\b", "**2"),
    (r"\bcubed\b", "**3"),
    (r"(?:the )?\bsquare root of\s+([\d.]+)", r"sqrt(\1)"),
    (r"([\d.]+)\s*(?:%|percent)\s*of\s*([\d.]+)", r"(\1*\2/100)"),
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (r"(\d)\s*(?:%|percent\b)", r"\1/100"),
)
_SUM = re.compile(r"(?:[\d.\s+\-*/()%]|sqrt)+")
_LONGEST = 200


class Calculate:
    NAME = "calculate"
    DESCRIPTION = "Work out an arithmetic expression exactly."
    PARAMETERS: Mapping[str, object] = {
        "type": "object",
        "properties": {"expression": {"type": "string"}},
        "required": ["expression"],
        "additionalProperties": False,
    }
    EXAMPLES: Sequence[str] = ("What is 12 * 12?", "What is 15% of 80?")

    def answer(self, text: str, moment: Moment) -> str | None:
        asked = _ASKED.match(text.strip())
        expression = _plain(asked[1]) if asked and len(text) <= _LONGEST else ""
        if not _SUM.fullmatch(expression) or not re.search(r"\d\s*[-+*/]|sqrt\(", expression):
            return None
        if re.fullmatch(r"[\d\s-]+", expression) and not re.search(r"\d\s+-\s+\d|^\d+-\d+$", expression):
            return None  # a date or a telephone number
        try:
            return f"{asked[1].strip()} = {_value(expression)}." if asked else None
        except CannotError as error:
            return str(error)

    def use(self, arguments: Mapping[str, object], moment: Moment) -> str:
        asked = str(arguments.get("expression", ""))
        expression = _plain(asked)
        if len(asked) > _LONGEST or not _SUM.fullmatch(expression):
            raise CannotError("Give one arithmetic expression of digits, + - * / ( ) and sqrt.")
        return f"{asked.strip()} = {_value(expression)}."


def _plain(words: str) -> str:
    text = words.lower()
    for pattern, symbol in _WORDS:
        text = re.sub(pattern, symbol, text)
    return text.strip()


def _value(expression: str) -> str:
    """Decimals, so that 0.1 + 0.2 is 0.3. simpleeval bounds powers and lengths: no expression can hang the box."""
    evaluator = SimpleEval(functions={"sqrt": _square_root, "exact": Decimal})
    try:
        return _text(evaluator.eval(re.sub(r"(?<![\w.])(\d+\.\d*|\.\d+)", r"exact('\1')", expression)))
    except ZeroDivisionError:
        raise CannotError("Nothing can be divided by zero.") from None
    except (InvalidExpression, InvalidOperation, ArithmeticError, ValueError, SyntaxError, TypeError):
        raise CannotError("That is not a sum I can work out.") from None


def _square_root(number: Any) -> Any:
    root = math.isqrt(number) if isinstance(number, int) and number >= 0 else None
    return root if root is not None and root * root == number else Decimal(number).sqrt()


def _text(value: Any) -> str:
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) < 1e15 else Decimal(repr(value))
    if isinstance(value, Decimal):
        value = value.normalize() + 0
        return f"{value:.12g}" if abs(value) < Decimal("1e12") else f"{value:.12e}"
    return str(value)


SKILL = Calculate()
