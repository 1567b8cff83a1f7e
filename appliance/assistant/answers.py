"""Who answers: the language models of the chain in their order, and last the box's own skills."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from appliance.assistant.skill import CannotError, Moment, Skill
from appliance.assistant.skillset import tools
from appliance.assistant.window import estimated_tokens, window
from appliance.settings import Chat
from serving.chain import Answered, Chain
from serving.llm import LLM, Delta, Finish, Message, Text, ToolCall
from serving.wire import EngineUnavailableError, RefusedError

ROUNDS = 4  # of tools, then the model must answer
SKILLS = "yu-skills"

NO_MODEL = (
    "No language model is installed on this box, so I can only answer what I know by myself. Try:\n{examples}\n"
    "To have one: yu up --profile micro, or name a server that you have in yu.toml (chains.chat)."
)
MODEL_AWAY = (
    "The language model of this box does not answer now, so I can only say what I know by myself."
    " Try again in a moment, or ask me:\n{examples}"
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """`salt` differs from user to user: one's cached prefixes must not be felt by another."""

    system: str
    earlier: Sequence[tuple[str, str]]
    question: str
    salt: str


class Answers:
    """`models` may be empty. `now` is the clock that skills read."""

    def __init__(
        self,
        models: Chain[LLM],
        skills: Sequence[Skill],
        settings: Chat,
        answer_tokens: int,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._models = models
        self._skills = {skill.NAME: skill for skill in skills}
        self._tools = tools(skills)
        self._tool_tokens = estimated_tokens(json.dumps(self._tools))
        self._settings = settings
        self._answer_tokens = answer_tokens
        self._now = now
        self._without_tools: set[LLM] = set()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Answered[Text | Finish], None]:
        """Texts, then one `Finish`. A failure after the first piece is raised as `EngineUnavailableError`."""
        started = False
        try:
            async with aclosing(self._models.stream(lambda model: self._ask(model, prompt))) as pieces:
                async for piece in pieces:
                    started = True
                    yield piece
            return
        except EngineUnavailableError:
            if started:
                raise
        text, is_known = self._by_skill(prompt.question)
        degraded = bool(self._models.links) or not is_known
        yield Answered(Text(text), SKILLS, degraded)
        yield Answered(Finish("stop", None, None), SKILLS, degraded)

    def _by_skill(self, question: str) -> tuple[str, bool]:
        """What the box says by itself, and whether it knew an answer."""
        moment = self._moment()
        answers = (skill.answer(question, moment) for skill in self._skills.values())
        answer = next((answer for answer in answers if answer is not None), None)
        if answer is not None:
            return answer, True
        examples = "\n".join(f"- {example}" for example in moment.examples)
        words = MODEL_AWAY if self._models.links else NO_MODEL
        return words.format(examples=examples), False

    def _moment(self) -> Moment:
        return Moment(self._now(), [example for skill in self._skills.values() for example in skill.EXAMPLES])

    async def _ask(self, model: LLM, prompt: Prompt) -> AsyncGenerator[Text | Finish, None]:
        """One model's answer, with its calls of tools made and their results shown to it in between."""
        room, longest = _divided(await model.context_length(), self._answer_tokens, self._settings.window_tokens)
        messages = window(prompt.system, prompt.earlier, prompt.question, room - self._tool_tokens)
        heard = _Heard()
        for last in (*[False] * ROUNDS, True):
            heard.calls = []
            async with aclosing(heard.texts(self._round(model, messages, longest, prompt.salt, last))) as texts:
                async for text in texts:
                    yield text
            if not heard.calls or last:
                yield Finish(heard.reason, None, heard.tokens or None)
                return
            messages = [*messages, _called(heard.calls), *(self._use(call) for call in heard.calls)]

    async def _round(
        self, model: LLM, messages: Sequence[Message], longest: int, salt: str, last: bool
    ) -> AsyncGenerator[Delta, None]:
        """One request. A model that takes no tools says so once, by refusing; it is asked without them from then on."""
        offered = () if last or model in self._without_tools else self._tools
        try:
            async with aclosing(self._request(model, messages, longest, salt, offered)) as deltas:
                async for delta in deltas:
                    yield delta
            return
        except RefusedError as error:
            # the user's words are text of a good length: what the model refuses is our request
            if not offered:
                raise EngineUnavailableError(f"The language model refused: {error}") from error
        async with aclosing(self._round(model, messages, longest, salt, last=True)) as deltas:
            async for delta in deltas:
                yield delta
        self._without_tools.add(model)

    def _request(
        self,
        model: LLM,
        messages: Sequence[Message],
        longest: int,
        salt: str,
        offered: Sequence[Mapping[str, object]],
    ) -> AsyncGenerator[Delta, None]:
        return model.stream(
            messages,
            max_tokens=longest,
            temperature=self._settings.temperature,
            tools=offered,
            salt=salt,
            timeout_s=self._settings.first_token_timeout_s,
        )

    def _use(self, call: ToolCall) -> Message:
        return {"role": "tool", "tool_call_id": call.id, "content": self._result(call)}

    def _result(self, call: ToolCall) -> str:
        skill = self._skills.get(call.name)
        if skill is None:
            return f"There is no tool {call.name!r}."
        try:
            arguments = json.loads(call.arguments or "{}")
            if not isinstance(arguments, Mapping):
                raise CannotError("The arguments must be a JSON object.")
            return skill.use(arguments, self._moment())
        except (CannotError, ValueError) as error:
            return f"The tool could not do that: {error}"


@dataclass
class _Heard:
    """What a model's answer holds beside its text."""

    calls: list[ToolCall] = field(default_factory=list)
    tokens: int = 0
    reason: str = "stop"

    async def texts(self, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Text, None]:
        async with aclosing(deltas):
            async for delta in deltas:
                if isinstance(delta, Text):
                    yield delta
                elif isinstance(delta, ToolCall):
                    self.calls.append(delta)
                else:
                    self.tokens, self.reason = self.tokens + delta.tokens, delta.reason


def _divided(context: int | None, answer: int, prompt: int) -> tuple[int, int]:
    """Tokens for the prompt and for the answer. A small model's context is shared: a quarter is the answer's."""
    if context is None:
        return prompt, answer
    answer = min(answer, context // 4)
    return min(prompt, context - answer), answer


def _called(calls: Sequence[ToolCall]) -> Message:
    made = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]
    return {"role": "assistant", "content": None, "tool_calls": made}
