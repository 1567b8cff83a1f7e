"""What the box adds to its language model: start, memory, one message, the first token, a hundred streams."""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.load import Target, Timing, clients, percentile
from tests.running import CHECKOUT, RunningBox

STUB_TOKEN, BOX_TOKEN = b'{"content": "', b'"type": "token"'
STREAMS, WORDS, INTERVAL_MS = 100, 200, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=400)
    arguments = parser.parse_args()
    table = Table("figure", "straight", "through the box", "added", "aim", title="The box in front of the stub")
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), arguments.requests, table)
    Console().print(table)


def measure(folder: Path, requests: int, table: Table) -> None:
    with stub(0) as address, box_before(address, folder / "fast") as box:
        table.add_row("API ready, s", "", f"{box.ready_s:.2f}", "", "≤ 1")
        table.add_row("API memory, MiB", "", f"{memory_mib(box.process.pid):.0f}", "", "≤ 150")
        straight, through = one_by_one(address, box, requests, stream=False)
        row(table, "whole answer p50, ms", straight.whole, through.whole, 50, "≤ 5")
        straight, through = one_by_one(address, box, requests, stream=True)
        row(table, "first token p50, ms", straight.first, through.first, 50, "≤ 5")
        table.add_row("API memory after, MiB", "", f"{memory_mib(box.process.pid):.0f}", "", "")
    with stub(INTERVAL_MS) as address, box_before(address, folder / "slow") as box:
        straight = many(f"{address}/v1/chat/completions", stub_body(WORDS, True), {}, STUB_TOKEN)
        before = cpu_s(box.process.pid)
        begun = time.perf_counter()
        through = many(f"{box.url}/api/v1/chat/stream", box_body(WORDS), auth(box), BOX_TOKEN)
        busy = (cpu_s(box.process.pid) - before) / (time.perf_counter() - begun)
        name = f"{STREAMS} streams x {WORDS} tokens x {INTERVAL_MS} ms: gap"
        row(table, f"{name} p50, ms", straight.gaps, through.gaps, 50, "")
        row(table, f"{name} p99, ms", straight.gaps, through.gaps, 99, "≤ 150 in all")
        row(table, f"{name} max, ms", straight.gaps, through.gaps, 100, "")
        row(table, "first token p50, ms", straight.first, through.first, 50, "")
        table.add_row("tokens", str(straight.tokens), str(through.tokens), "", f"{STREAMS * WORDS}")
        table.add_row("API, share of one core", "", f"{busy:.2f}", "", "")


def one_by_one(address: str, box: "TimedBox", requests: int, stream: bool) -> tuple[Timing, Timing]:
    """Turn and turn about, so that whatever else this machine does falls on both."""
    straight, through = Timing(), Timing()
    path = "stream" if stream else "message"
    for _ in range(max(1, requests // 50)):
        for total, target in (
            (straight, Target(f"{address}/v1/chat/completions", stub_body(5, True), {}, STUB_TOKEN)),
            (through, Target(f"{box.url}/api/v1/chat/{path}", box_body(5), auth(box), BOX_TOKEN)),
        ):
            part = asyncio.run(clients(target, 1, 50))
            total.whole += part.whole
            total.first += part.first
    return straight, through


def many(url: str, body: dict, headers: dict, marker: bytes) -> Timing:
    return asyncio.run(clients(Target(url, body, headers, marker), STREAMS, 1, stagger_s=0.005))


def stub_body(words: int, stream: bool) -> dict:
    message = {"role": "user", "content": f"say {words} words"}
    return {"model": "stub", "messages": [message], "max_tokens": 1000, "stream": stream}


def box_body(words: int) -> dict:
    return {"message": f"say {words} words"}


def auth(box: "TimedBox") -> dict:
    return {"Authorization": f"Bearer {box.token}"}


def row(table: Table, name: str, straight: list[float], through: list[float], percent: int, aim: str) -> None:
    low, high = (max(v) if percent == 100 else percentile(v, percent) for v in (straight, through))
    table.add_row(name, f"{low * 1e3:.2f}", f"{high * 1e3:.2f}", f"{(high - low) * 1e3:.2f}", aim)


class TimedBox(RunningBox):
    def start(self) -> None:
        begun = time.perf_counter()
        super().start()
        self.ready_s = time.perf_counter() - begun
        self.token = self.new_user().token


@contextmanager
def box_before(address: str, data: Path) -> Iterator[TimedBox]:
    chains = {"chat": [{"url": address, "model": "stub"}]}
    first = TimedBox(data, {"chains": chains})  # makes the store; what is timed is every start but the first
    first.close()
    box = TimedBox(data, {"chains": chains})
    try:
        yield box
    finally:
        box.close()


@contextmanager
def stub(interval_ms: float) -> Iterator[str]:
    command = [sys.executable, str(CHECKOUT / "tests/stub_llm.py"), "--port", "0", "--interval-ms", str(interval_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


def memory_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    main()
