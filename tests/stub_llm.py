"""A language model for the fast tests: OpenAI's chat endpoint with delays, faults and counters, and no model.

`python tests/stub_llm.py --socket PATH` or `--port N` (0: any; printed). What it answers is steered by the last user
message, so that a test says what it needs where it needs it:

    say N words      N words, `--interval-ms` apart          call NAME {json}   a tool call
    wait S           silence for S seconds, then `done`      fail 500           that status
    cut after N      N words, then the connection drops      garbage            a line that is no JSON
    show messages    the messages it was sent, as JSON       without tools      400 if it is offered any
    anything else    `You said: …`

After a `tool` message it repeats the tool's text. `GET /stats` counts requests, open answers, cut ones.
Raw asyncio: it must cost less than what is measured through it.
"""

import argparse
import asyncio
import contextlib
import json
import re
import sys
from dataclasses import asdict, dataclass
from typing import Any

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "small", "events", "flow"]


@dataclass
class Stats:
    requests: int = 0
    active: int = 0
    finished: int = 0
    disconnected: int = 0


class Stub:
    def __init__(self, interval_s: float, listing: bool = True) -> None:
        self.interval_s = interval_s
        self.stats = Stats()
        self.refusing: int | None = None  # a status that every chat request gets
        self.listing = listing  # whether it lists its models

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path = head.split(b" ", 2)[:2]
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                if not await self.answer(method.decode(), path.decode(), body, reader, writer):
                    break
        writer.close()

    async def answer(self, method: str, path: str, body: bytes, reader: Any, writer: asyncio.StreamWriter) -> bool:
        """False when the connection is to be closed."""
        if path == "/stats":
            return send(writer, 200, asdict(self.stats))
        if path == "/v1/models" and self.listing:
            return send(
                writer, 200, {"object": "list", "data": [{"id": "stub", "object": "model", "max_model_len": 8192}]}
            )
        if match := re.fullmatch(r"/refuse/(\d+)", path):
            self.refusing = int(match[1]) or None
            return send(writer, 200, {})
        if path != "/v1/chat/completions":
            return send(writer, 404, {"error": {"message": "no such path"}})
        self.stats.requests += 1
        if self.refusing:
            return send(writer, self.refusing, {"error": {"message": "told to refuse"}})
        return await self.chat(json.loads(body), reader, writer)

    async def chat(self, request: dict[str, Any], reader: Any, writer: asyncio.StreamWriter) -> bool:
        last = request["messages"][-1]
        order = last["content"] if last["role"] != "tool" else f"repeat {last['content']}"
        if match := re.fullmatch(r"fail (\d+)", order):
            return send(writer, int(match[1]), {"error": {"message": "told to fail"}})
        if order == "without tools" and request.get("tools"):
            return send(writer, 400, {"error": {"message": "this model does not support tools"}})
        self.stats.active += 1
        gone = asyncio.ensure_future(reader.read(1))
        work = asyncio.ensure_future(self.stream(request, order, writer))
        try:
            await asyncio.wait({gone, work}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self.stats.disconnected += 1
                return False
            self.stats.finished += 1
            return work.result()
        finally:
            self.stats.active -= 1
            gone.cancel()
            work.cancel()
            await asyncio.wait({gone, work})

    async def stream(self, request: dict[str, Any], order: str, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        event(writer, delta={"role": "assistant", "content": ""})
        if match := re.fullmatch(r"call (\w+) (.*)", order, re.S):
            call = {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": match[1], "arguments": match[2]},
            }
            event(writer, delta={"tool_calls": [call]})
            return finish(writer, "tool_calls", 0)
        if order == "garbage":
            chunk(writer, b"data: {not json\n\n")
            return finish(writer, "stop", 0)
        words = await self.words(order, request)
        cut = order.startswith("cut after ")
        loop, due = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        for word in words:
            event(writer, delta={"content": word})
            due += self.interval_s
            if self.interval_s:
                await asyncio.sleep(max(0.0, due - loop.time()))
            await writer.drain()
        if cut:
            await asyncio.sleep(0.05)  # what was sent must have arrived: a reader may drop it with the connection
            return False
        return finish(writer, "stop", len(words))

    async def words(self, order: str, request: dict[str, Any]) -> list[str]:
        if match := re.match(r"(?:say|cut after) (\d+)", order):
            count = min(int(match[1]), request["max_tokens"])
            return [WORDS[number % len(WORDS)] + " " for number in range(count)]
        if match := re.fullmatch(r"wait ([\d.]+)", order):
            await asyncio.sleep(float(match[1]))
            return ["done"]
        if order == "show messages":
            return [json.dumps(request["messages"])]
        if order.startswith("repeat "):
            return [order.removeprefix("repeat ")]
        return ["You ", "said: ", order]


def send(writer: asyncio.StreamWriter, status: int, body: object) -> bool:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    return True


def chunk(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(content), content))


def event(writer: asyncio.StreamWriter, **choice: object) -> None:
    body = {"object": "chat.completion.chunk", "choices": [{"index": 0, "finish_reason": None, **choice}]}
    chunk(writer, b"data: " + json.dumps(body).encode() + b"\n\n")


def finish(writer: asyncio.StreamWriter, reason: str, tokens: int) -> bool:
    event(writer, delta={}, finish_reason=reason)
    usage = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}}
    chunk(writer, b"data: " + json.dumps(usage).encode() + b"\n\n")
    chunk(writer, b"data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")
    return True


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--interval-ms", type=float, default=0.0)
    parser.add_argument("--no-list", action="store_true")
    arguments = parser.parse_args()
    stub = Stub(arguments.interval_ms / 1000, not arguments.no_list)
    if arguments.socket:
        server = await asyncio.start_unix_server(stub.serve, arguments.socket, backlog=1024)
    else:
        server = await asyncio.start_server(stub.serve, "127.0.0.1", arguments.port, backlog=1024)
    where = server.sockets[0].getsockname()
    print(where if isinstance(where, str) else where[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(main()))
