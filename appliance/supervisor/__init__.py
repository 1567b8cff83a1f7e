"""The processes of `yu up`: the API and the profile's engines, started at once, kept running, ended together."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from appliance.supervisor.child import Child, Patience, Tell
from appliance.supervisor.programs import API, Program


class Supervisor:
    """`run` returns when the box was told to stop, or when its API is down for good."""

    def __init__(self, programs: Sequence[Program], logs: Path, tell: Tell, patience: Patience | None = None) -> None:
        self._children = [Child(program, logs, tell, patience or Patience()) for program in programs]
        self._told_to_stop = asyncio.Event()

    async def run(self) -> bool:
        """True when it was told to stop."""
        keepers = {child.name: asyncio.create_task(child.keep()) for child in self._children}
        stop = asyncio.create_task(self._told_to_stop.wait())
        ends = {stop, keepers[API]} if API in keepers else {stop}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return self._told_to_stop.is_set()
        finally:
            await _cancel([stop, *keepers.values()])

    def stop(self) -> None:
        """Asks every child to end; asked again, ends them at once."""
        if self._told_to_stop.is_set():
            for child in self._children:
                child.kill()
        self._told_to_stop.set()


async def _cancel(tasks: Sequence[asyncio.Task[object]]) -> None:
    """Waits until all have ended; what one of them failed with is raised then, not before."""
    for task in tasks:
        task.cancel()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(end, Exception):
            raise end
