"""Kills the API again and again while clients write: how many acknowledged messages are lost (the aim: none)."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.progress import track

from tests.killing import Record, cycle, lost
from tests.running import RunningBox, StubModel


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=100)
    arguments = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        stub = StubModel(Path(folder) / "llm.sock")
        box = RunningBox(Path(folder) / "data", {"chains": {"chat": [{"url": stub.address, "model": "stub"}]}})
        user, record = box.new_user(), Record()
        for seed in track(range(arguments.cycles), description="kill -9"):
            cycle(box, user.token, record, seed)
        missing = lost(box, user.token, record)
        box.close()
        stub.close()
    print(
        f"{arguments.cycles} kills, {len(record.acknowledged)} messages acknowledged, {record.cut} cut by a kill,"
        f" {record.refused} refused, {len(missing)} lost, {time.monotonic() - begun:.0f} s"
    )
    return 1 if missing or record.refused else 0


if __name__ == "__main__":
    sys.exit(main())
