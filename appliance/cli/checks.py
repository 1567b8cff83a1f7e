"""What `yu doctor` looks at on the machine itself. Each check says what it found and the command that repairs it."""

import asyncio
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import sqlcipher3.dbapi2 as sqlcipher

from appliance.settings import CHECKOUT, Remote, Settings
from appliance.store.database import OLDEST_SAFE_SQLITE
from appliance.supervisor.programs import GPU, VLLM, chosen_cards, install_command, venv_of
from models.card import Card
from models.tasks import Task

LEAST_FREE_BYTES = 200 << 20
GOOD_FREE_BYTES = 2 << 30
PATIENCE_S = 10


class Verdict(StrEnum):
    OK = "ok"
    NOTE = "note"  # it works; the owner may want to know
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    name: str
    verdict: Verdict
    found: str
    repair: str | None = None


@dataclass(frozen=True)
class DebianProgram:
    argv: tuple[str, ...]
    packages: str
    engine: str  # whose cards need it
    must_say: tuple[str, ...] = ()


PROGRAMS = (
    DebianProgram(("espeak-ng", "--version"), "espeak-ng", "espeak"),
    DebianProgram(("ffmpeg", "-version"), "ffmpeg", "espeak"),
    DebianProgram(
        ("tesseract", "--list-langs"), "tesseract-ocr tesseract-ocr-eng tesseract-ocr-spa", "tesseract", ("eng", "spa")
    ),
)


async def machine(settings: Settings) -> list[Finding]:
    """Off the loop, as it starts programs."""
    return await asyncio.to_thread(lambda: list(_machine(settings)))


def _machine(settings: Settings) -> Iterator[Finding]:
    chosen = chosen_cards(settings)
    yield Finding("Python", Verdict.OK, f"{sys.version.split()[0]} ({sys.executable})")
    yield from _venvs(settings, chosen)
    for program in PROGRAMS:
        yield _program(program, needed=any(card.engine == program.engine for card in chosen))
    yield _sqlite()
    yield from _data_folder(settings.data)
    yield _gpu(settings)
    yield _network(settings)


def _venvs(settings: Settings, chosen: list[Card]) -> Iterator[Finding]:
    installer = shlex.join([str(CHECKOUT / "scripts" / "setup")])
    yield stamped("venv of the box", Path(sys.prefix), ("box", "dev"), installer)
    by_python = {venv_of(settings, card): card for card in chosen}
    for python, card in by_python.items():
        name = "venv of the language model" if card.engine == VLLM else "venv of the engines"
        if python.exists():
            locks = ("llm-cpu", "llm-cuda") if card.engine == VLLM else ("engines",)
            yield stamped(name, python.parents[1], locks, install_command(card))
        else:
            yield Finding(name, Verdict.BROKEN, f"{python} is missing", install_command(card))


def stamped(name: str, venv: Path, locks: tuple[str, ...], repair: str) -> Finding:
    """`scripts/setup` writes last of all which lock a venv was made from."""
    stamps = [lock for lock in locks if (venv / f".installed-{lock}").exists()]
    if not stamps:
        return Finding(name, Verdict.NOTE, f"{venv}: not made by scripts/setup, so its packages may be others", repair)
    lock = stamps[-1]
    file = CHECKOUT / "requirements" / f"{lock}.txt"
    if not file.exists():
        return Finding(name, Verdict.NOTE, f"{venv}: its lock, requirements/{lock}.txt, is not here", repair)
    if hashlib.sha256(file.read_bytes()).hexdigest() not in (venv / f".installed-{lock}").read_text("utf-8"):
        return Finding(name, Verdict.BROKEN, f"{venv}: requirements/{lock}.txt has changed since", repair)
    return Finding(name, Verdict.OK, f"{venv}, as requirements/{lock}.txt says")


def _program(program: DebianProgram, needed: bool) -> Finding:
    repair = f"sudo apt-get install {program.packages}"
    absent = Verdict.BROKEN if needed else Verdict.NOTE
    name = program.argv[0]
    if shutil.which(name) is None:
        return Finding(name, absent, "not installed", repair)
    result = subprocess.run(program.argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    words = (result.stdout + result.stderr).split()
    if lacking := [word for word in program.must_say if word not in words]:
        return Finding(name, absent, f"installed, without: {', '.join(lacking)}", repair)
    said = (result.stdout or result.stderr).splitlines()
    found = ", ".join(program.must_say) or (said[0].strip() if said else "installed")
    return Finding(name, Verdict.OK if result.returncode == 0 else absent, found, repair if result.returncode else None)


def _sqlite() -> Finding:
    cipher = sqlcipher.connect(":memory:").execute("PRAGMA cipher_version").fetchone()
    found = f"SQLite {sqlcipher.sqlite_version}, SQLCipher {cipher[0] if cipher else 'missing'}"
    if cipher and sqlcipher.sqlite_version_info >= OLDEST_SAFE_SQLITE:
        return Finding("store", Verdict.OK, found)
    return Finding("store", Verdict.BROKEN, found, str(CHECKOUT / "scripts" / "setup"))


def _data_folder(data: Path) -> Iterator[Finding]:
    if not data.exists():
        yield Finding("data folder", Verdict.OK, f"{data}: `yu up` makes it")
        return
    mode = stat.S_IMODE(data.stat().st_mode)
    quoted = shlex.quote(str(data))
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        owner = f'sudo chown -R "$USER" {quoted}'
        yield Finding("data folder", Verdict.BROKEN, f"{data} cannot be written by this user", owner)
    elif mode & 0o077:
        yield Finding("data folder", Verdict.BROKEN, f"{data} can be read by others ({mode:o})", f"chmod 700 {quoted}")
    else:
        yield Finding("data folder", Verdict.OK, f"{data}, this user's alone")
    free = shutil.disk_usage(data).free
    repair = None if free >= GOOD_FREE_BYTES else f"make room on the disk of {data}, or take another: yu up --data DIR"
    verdict = Verdict.BROKEN if free < LEAST_FREE_BYTES else Verdict.OK if repair is None else Verdict.NOTE
    yield Finding("disk", verdict, f"{free / 2**30:.1f} GiB free", repair)


def _gpu(settings: Settings) -> Finding:
    if GPU.exists():
        return Finding("GPU", Verdict.OK, _gpu_names())
    if settings.profile.startswith("gpu"):
        repair = "install NVIDIA's driver, or: yu up --profile base"
        return Finding("GPU", Verdict.BROKEN, f"none, and profile {settings.profile} needs one", repair)
    return Finding("GPU", Verdict.OK, f"none; profile {settings.profile} needs none")


def _gpu_names() -> str:
    if shutil.which("nvidia-smi") is None:
        return str(GPU)
    asked = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    result = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return "; ".join(result.stdout.split("\n")).strip("; ") or str(GPU)


def _network(settings: Settings) -> Finding:
    """Nothing is fetched at run time: the only addresses a box calls are those its owner wrote into the chains."""
    urls = [link.url for task in Task for link in settings.chain(task) if isinstance(link, Remote)]
    if not urls:
        return Finding("network", Verdict.OK, "none needed at run time")
    return Finding("network", Verdict.NOTE, f"the chains name other servers: {', '.join(dict.fromkeys(urls))}")
