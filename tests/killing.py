"""Kills the API with `kill -9` while clients write, and looks for everything it acknowledged."""

import asyncio
import random
from dataclasses import dataclass, field

import httpx

from tests.running import RunningBox

CLIENTS = 4


@dataclass
class Record:
    """What the box said it had: message id and text of the question, conversation of each."""

    acknowledged: dict[str, tuple[str, str]] = field(default_factory=dict)
    refused: int = 0
    cut: int = 0


def cycle(box: RunningBox, token: str, record: Record, seed: int) -> None:
    """One life of the API: writes from all sides, ended at a random moment, then started again."""
    asyncio.run(_write_until_killed(box, token, record, random.Random(seed)))
    box.process.wait(10)
    box.start()


async def _write_until_killed(box: RunningBox, token: str, record: Record, dice: random.Random) -> None:
    killer = asyncio.get_running_loop().call_later(dice.uniform(0.02, 0.5), box.process.kill)
    async with httpx.AsyncClient(base_url=box.url, headers={"Authorization": f"Bearer {token}"}) as client:
        await asyncio.gather(*(_write(client, record, dice) for _ in range(CLIENTS)))
    killer.cancel()


async def _write(client: httpx.AsyncClient, record: Record, dice: random.Random) -> None:
    while True:
        text = f"note {dice.getrandbits(64):x}"
        try:
            answer = await client.post("/api/v1/chat/message", json={"message": text})
        except httpx.TransportError:
            record.cut += 1
            return
        if answer.status_code == 200:
            body = answer.json()
            record.acknowledged[body["message_id"]] = (text, body["response"])
        else:
            record.refused += 1


def lost(box: RunningBox, token: str, record: Record) -> list[str]:
    """The acknowledged messages whose question or whole answer is not in the history."""
    questions, answers = set(), {}
    with box.client(token) as client:
        query: dict[str, object] = {"limit": 200}
        while True:
            page = client.get("/api/v1/chat/history", params=query).json()
            for message in page["messages"]:
                if message["role"] == "user":
                    questions.add(message["content"])
                else:
                    answers[message["id"]] = (message["content"], message["status"])
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
    return [
        message_id
        for message_id, (text, response) in record.acknowledged.items()
        if text not in questions or answers.get(message_id) != (response, "complete")
    ]
