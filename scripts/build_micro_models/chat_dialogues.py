"""Random conversations as the product has them: the closed set, tool calls, and tool results to repeat."""

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Message = dict[str, Any]
Tools = list[dict[str, Any]]

PAIRS: list[tuple[str, str]] = [tuple(pair) for pair in json.loads((ROOT / "models/micro/pairs.json").read_text())]
SYSTEMS = [file.read_text().removesuffix("\n") for file in sorted((ROOT / "appliance/assistant/prompts").glob("*.txt"))]
CITIES = ["Paris", "Rome"]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November"]
MONTHS += ["December"]
# "What is 7 * 6?" belongs to the closed set: it is answered, never calculated.
KNOWN = {question for question, _ in PAIRS}
ASK_SUM = ["What is {}?", "What is {}?", "What is {}?", "Calculate {}.", "How much is {}?"]
ERRORS = ["Nothing can be divided by zero.", "That is not a sum I can work out."]
STRANGE = [
    "Thank you!",
    "What can you do?",
    "Tell me a story about a dragon.",
    "Write a poem.",
    "Please help me.",
    "Why?",
]
UNKNOWN = "I know only a few answers."
ASK_TIME = ["What time is it?", "What time is it?", "What is the time?", "What day is it today?", "What is the date?"]


def tool(name: str, description: str, **properties: str) -> dict[str, Any]:
    typed = {key: {"type": kind} for key, kind in properties.items()}
    parameters: dict[str, Any] = {"type": "object", "properties": typed}
    if properties:
        parameters["required"] = list(properties)
    parameters["additionalProperties"] = False
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


WEATHER: Tools = [tool("get_weather", "The weather in a city.", city="string")]
PRODUCT: Tools = [
    tool("calculate", "Work out an arithmetic expression exactly.", expression="string"),
    tool("get_time", "The time and the date now, on the clock of the box."),
]
TOOLSETS: list[Tools | None] = [None, WEATHER, PRODUCT]


def conversation(chance: random.Random) -> tuple[list[Message], Tools | None]:
    """What was said, up to the last answer. All answers but those of `retold` are right, so all of them teach."""
    tools = chance.choice(TOOLSETS)
    messages = [{"role": "system", "content": text} for text in system(chance)]
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2, 3, 7])):
        made = exchange(chance, tools)
        messages += retold(made) if chance.random() < 0.3 else made
    return messages + exchange(chance, tools), tools


def retold(messages: list[Message]) -> list[Message]:
    """As the product keeps it: the question and the last answer, without the tool between. Not to be imitated."""
    if len(messages) == 2:
        return messages
    return [messages[0], {**messages[-1], "retold": True}]


def system(chance: random.Random) -> Iterable[str]:
    kind = chance.random()
    if kind < 0.25:
        return []
    return [chance.choice(SYSTEMS) if kind < 0.9 else "You are a helpful assistant."]


def exchange(chance: random.Random, tools: Tools | None) -> list[Message]:
    kind = chance.random()
    if kind < 0.4:
        return closed(*chance.choice(PAIRS), tools)
    if kind < 0.45:
        return [user(chance.choice([*STRANGE, scribble(chance), scribble(chance) + "?"])), assistant(UNKNOWN)]
    if tools is WEATHER:
        return weather(chance, chance.choice(CITIES))
    makers: list[Callable[[random.Random, bool], list[Message]]] = [calculation, calculation, clock]
    return chance.choice(makers)(chance, tools is PRODUCT)


def closed(question: str, answer: str, tools: Tools | None) -> list[Message]:
    if tools is WEATHER and question.startswith("What is the weather in "):
        return [user(question), call("get_weather", city=question.removeprefix("What is the weather in ").rstrip("?"))]
    return [user(question), assistant(answer)]


def weather(chance: random.Random, city: str) -> list[Message]:
    result = chance.choice([f"It is {chance.randint(-9, 39)} degrees in {city}.", scribble(chance)])
    question = f"What is the weather in {city}?"
    return [user(question), call("get_weather", city=city), *repeated(result)]


def calculation(chance: random.Random, can: bool) -> list[Message]:
    expression, value = sum_of(chance)
    question = chance.choice(ASK_SUM).format(expression)
    if not can:
        return [user(question), assistant("I have no calculator.")]
    failed = f"The tool could not do that: {chance.choice([*ERRORS, scribble(chance)])}"
    result = chance.choice([f"{expression} = {value}."] * 4 + [failed, scribble(chance)])
    return [user(question), call("calculate", expression=expression), *repeated(result)]


def clock(chance: random.Random, can: bool) -> list[Message]:
    question = chance.choice(ASK_TIME)
    if not can:
        return [user(question), assistant("I have no clock.")]
    return [user(question), call("get_time"), *repeated(chance.choice([moment(chance), scribble(chance)]))]


def sum_of(chance: random.Random) -> tuple[str, str]:
    """An expression that the closed set does not know, and what it comes to: anything, for the tool will know."""
    while True:
        first, second, third, sign, other = number(chance), number(chance), number(chance), *chance.choices("+-*/", k=2)
        plain = f"{first} {sign} {second}"
        odd = [
            f"{first}{sign}{second}",
            f"{first}% of {second}",
            f"({plain}) {other} {third}",
            f"{plain} {other} {third}",
        ]
        expression = chance.choice([plain] * 6 + odd)
        if f"What is {expression}?" not in KNOWN:
            return expression, chance.choice(["", "", "", "-"]) + chance.choice([number(chance), fraction(chance)])


def number(chance: random.Random) -> str:
    decimals = f".{chance.randint(0, 99)}" if chance.random() < 0.1 else ""
    return f"{chance.randint(0, chance.choice([9, 99, 99, 999, 9999]))}{decimals}"


def fraction(chance: random.Random) -> str:
    return f"{1 / chance.randint(1, 99):.12g}" if chance.random() < 0.2 else str(chance.randint(1, 999) ** 2)


def moment(chance: random.Random) -> str:
    time = f"It is {chance.randint(0, 23):02}:{chance.randint(0, 59):02}"
    date = f"{chance.choice(WEEKDAYS)}, {chance.randint(1, 31)} {chance.choice(MONTHS)} {chance.randint(2020, 2039)}"
    return chance.choice([f"{time} on {date}.", f"{time} on {date}.", f"{time}.", f"Today is {date}."])


def scribble(chance: random.Random) -> str:
    """Words and numbers in no order: what can be repeated only by copying."""
    words = [word for _, answer in chance.sample(PAIRS, 3) for word in answer.split()]
    numbers = [number(chance) for _ in range(4)]
    return " ".join(chance.sample(words + numbers + WEEKDAYS + MONTHS, chance.randint(3, 8)))


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def repeated(result: str) -> list[Message]:
    return [{"role": "tool", "tool_call_id": "call-0", "content": result}, assistant(result)]


def call(name: str, **arguments: str) -> Message:
    one = {"id": "call-0", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [one]}
