"""What a model is shown of a conversation: its last 20 messages or 8K tokens, whichever is less (spec 4.4)."""

from collections.abc import Sequence

from serving.llm import Message

BYTES_PER_TOKEN = 3  # below the usual four: a prompt that is cut a little early still fits
TOKENS_PER_MESSAGE = 8


def estimated_tokens(text: str) -> int:
    return len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + TOKENS_PER_MESSAGE


def window(system: str, earlier: Sequence[tuple[str, str]], question: str, tokens: int) -> list[Message]:
    """The system prompt and the question always; of what was said before, the newest that fits, oldest first."""
    left = tokens - estimated_tokens(system) - estimated_tokens(question)
    kept: list[Message] = []
    for role, content in reversed(earlier):
        left -= estimated_tokens(content)
        if left < 0:
            break
        kept.append({"role": role, "content": content})
    return [{"role": "system", "content": system}, *reversed(kept), {"role": "user", "content": question}]
