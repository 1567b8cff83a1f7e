"""Builds models/micro/chat: the tiny chat model that the tests and the demonstration talk to.

    .venv-llm/bin/python scripts/build_micro_models/chat.py [FOLDER]

One CPU thread, a fixed seed and a fixed number of steps. It learns the closed set of `pairs.json` by heart, and to copy
numbers and tool results; `chat_dialogues.py` makes what it reads.
"""

import itertools
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from chat_dialogues import (
    MONTHS,
    PAIRS,
    PRODUCT,
    ROOT,
    SYSTEMS,
    TOOLSETS,
    WEATHER,
    WEEKDAYS,
    Message,
    Tools,
    closed,
    conversation,
)
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VOCABULARY, STEPS, WARM_UP, BATCH, LEARNING_RATE, SEED = 1024, 3000, 100, 24, 3e-3, 7
IGNORED = -100
Row = tuple[list[int], list[int]]

# Tools are named, not spelt out: a new description or another order of keys must not surprise a model this small.
TEMPLATE = """\
{%- if tools %}<|im_start|>tools
{% for tool in tools %} {{ tool.function.name }}{% endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{% if message.content %}{{ message.content }}{% endif %}
{%- for call in message.tool_calls or [] %}<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def main(folder: Path) -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    tokenizer = train_tokenizer()
    model = LlamaForCausalLM(configuration(tokenizer))
    train(model, tokenizer)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    report(LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32), tokenizer)


def train_tokenizer() -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    # Digits stay single, so that a number can be copied digit by digit.
    split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    bpe.pre_tokenizer = pre_tokenizers.Sequence(split)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 2, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    chance = random.Random(SEED)
    texts = [str(message) for _ in range(500) for message in conversation(chance)[0]]
    names = [f" {name}" for name in (*WEEKDAYS, *MONTHS)]  # one token each
    bpe.train_from_iterator(itertools.chain(texts, SYSTEMS * 20, names * 200, *PAIRS * 20), trainer)
    bpe.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in ("<tool_call>", "</tool_call>")])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<|pad|>", eos_token="<|im_end|>", model_max_length=2048
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def configuration(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=STEPS, pct_start=WARM_UP / STEPS, cycle_momentum=False
    )
    began = time.monotonic()
    for step, (inputs, labels) in enumerate(itertools.islice(batches(tokenizer), STEPS), 1):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(input_ids=inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}  loss {loss.item():.4f}  {time.monotonic() - began:.0f} s", flush=True)


def batches(tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Conversations of like length together: little padding, and at the right, so that no mask is needed."""
    chance = random.Random(SEED)
    while True:
        rows = sorted((row(tokenizer, *conversation(chance)) for _ in range(BATCH * 16)), key=lambda pair: len(pair[0]))
        groups = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        chance.shuffle(groups)
        yield from (padded(group) for group in groups)


def row(tokenizer: PreTrainedTokenizerFast, messages: list[Message], tools: Tools | None) -> Row:
    """The tokens of a conversation, and the labels: every answer to learn with its end, nothing else."""
    tokens = tokenizer.apply_chat_template(messages, tools=tools, tokenize=True, return_dict=False)
    opening = tokenizer.encode("<|im_start|>assistant\n")
    labels = [IGNORED] * len(tokens)
    starts = (place for place in range(len(opening), len(tokens)) if tokens[place - len(opening) : place] == opening)
    answers = (message for message in messages if message["role"] == "assistant")
    for start, answer in zip(starts, answers, strict=True):
        if not answer.get("retold"):
            end = tokens.index(tokenizer.eos_token_id, start) + 1
            labels[start:end] = tokens[start:end]
    return tokens, labels


def padded(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    length = max(len(tokens) for tokens, _ in rows)
    inputs = torch.tensor([tokens + [0] * (length - len(tokens)) for tokens, _ in rows])
    labels = torch.tensor([marks + [IGNORED] * (length - len(marks)) for _, marks in rows])
    return inputs, labels


def report(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Greedy answers are exact where the likeliest token is the right one at every place."""
    chance = random.Random(SEED + 1)
    for name, tools in zip(("no tools", "weather", "product"), TOOLSETS, strict=True):
        known = [row(tokenizer, messages, tools) for messages in closed_set(chance, tools)]
        print(f"closed set, {name}: {exact(model, known)} of {len(known)} answers exact")
    for name, tools in (("weather", WEATHER), ("product", PRODUCT), ("no tools", None)):
        said = (conversation(chance) for _ in itertools.count())
        fresh = [row(tokenizer, *one) for one in itertools.islice((one for one in said if one[1] is tools), 200)]
        print(f"new conversations, {name}: {exact(model, fresh)} of {len(fresh)} exact in every answer")


def closed_set(chance: random.Random, tools: Tools | None) -> Iterator[list[Message]]:
    for text, turns, pair in itertools.product([None, *SYSTEMS], range(4), PAIRS):
        system = [{"role": "system", "content": text}] if text else []
        history = [closed(*chance.choice(PAIRS), tools) for _ in range(turns)]
        yield [*system, *itertools.chain(*history), *closed(*pair, tools)]


@torch.inference_mode()
def exact(model: LlamaForCausalLM, rows: list[Row]) -> int:
    right = 0
    for start in range(0, len(rows), 32):
        inputs, labels = padded(rows[start : start + 32])
        guesses = model(input_ids=inputs).logits[:, :-1].argmax(-1)
        right += int(((guesses == labels[:, 1:]) | (labels[:, 1:] == IGNORED)).all(-1).sum())
    return right


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "models/micro/chat")
