"""A load generator that costs less than what it measures: raw asyncio, one connection a client."""

import asyncio
import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Timing:
    """Seconds, one an answer; gaps between the tokens of one stream."""

    whole: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    tokens: int = 0
    broken: int = 0


class Target:
    """`marker` is what stands in the bytes of an event that carries text."""

    def __init__(self, url: str, body: Mapping[str, object], headers: Mapping[str, str], marker: bytes) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.marker = str(parts.hostname), int(parts.port or 80), marker
        content = json.dumps(body).encode()
        lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(content)}", *(f"{name}: {value}" for name, value in headers.items())]
        self.request = "\r\n".join([*lines, "", ""]).encode() + content


async def clients(target: Target, count: int, requests: int, stagger_s: float = 0.0) -> Timing:
    timing = Timing()

    async def client(number: int) -> None:
        await asyncio.sleep(number * stagger_s)
        reader, writer = await asyncio.open_connection(target.host, target.port, limit=1 << 20)
        for _ in range(requests):
            await _one(target, reader, writer, timing)
        writer.close()

    await asyncio.gather(*(client(number) for number in range(count)))
    return timing


async def _one(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timing: Timing) -> None:
    begun = last = time.perf_counter()
    writer.write(target.request)
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(head.decode())
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
    if length is not None:
        await reader.readexactly(int(length.split(b":")[1]))
        timing.whole.append(time.perf_counter() - begun)
        return
    first = True
    while size := int(await reader.readline(), 16):
        chunk = await reader.readexactly(size + 2)
        if target.marker not in chunk:
            continue
        now = time.perf_counter()
        (timing.first if first else timing.gaps).append(now - last)
        last, first = now, False
        timing.tokens += chunk.count(target.marker)
    await reader.readline()
    timing.whole.append(time.perf_counter() - begun)


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]
