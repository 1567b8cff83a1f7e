"""Which processes a box needs: its API, and an engine for each card that the profile's chains name."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import YuError
from appliance.settings import CHECKOUT, Settings
from models.card import Card, CardError, damaged_file
from models.catalog import UnknownModelError, card
from models.profiles import UnknownProfileError
from models.tasks import Task
from serving.vllm_command import vllm_command
from serving.wire import HEALTH

API = "api"
READY = "/health/ready"
VLLM = "vllm"
SOCKET_BYTES = 107  # what Linux takes as the path of a socket
GPU = Path("/dev/nvidia0")


@dataclass(frozen=True)
class Program:
    """`place` is where to ask for its health: a socket, or a file that holds its URL. It makes it when it listens."""

    name: str
    argv: tuple[str, ...]
    place: Path
    health: str = HEALTH
    env: Mapping[str, str] = field(default_factory=dict)
    folder: Path = CHECKOUT
    slow: bool = False

    def address(self) -> str | None:
        if self.place.is_socket():
            return f"unix:{self.place}"
        if self.place.is_file():
            return self.place.read_text("utf-8").strip() or None
        return None


@dataclass(frozen=True)
class Missing:
    """An engine that cannot start on this machine, and the command that changes it."""

    name: str
    reason: str
    repair: str


@dataclass(frozen=True)
class Plan:
    programs: tuple[Program, ...]
    missing: tuple[Missing, ...]


def plan(settings: Settings, api_arguments: tuple[str, ...] = ()) -> Plan:
    """Raises `YuError` when the chains name what there is not, or the data folder's path is too long for sockets."""
    try:
        engines = [_engine(settings, card) for card in chosen_cards(settings)]
    except (UnknownModelError, UnknownProfileError, CardError) as error:
        raise YuError(str(error)) from error
    programs = [_api(settings, api_arguments), *(engine for engine in engines if isinstance(engine, Program))]
    for program in programs:
        if len(str(program.place).encode()) > SOCKET_BYTES:
            raise YuError(
                f"The path {program.place} is too long for a socket. Choose a shorter data folder: --data DIR"
            )
    return Plan(tuple(programs), tuple(engine for engine in engines if isinstance(engine, Missing)))


def chosen_cards(settings: Settings) -> list[Card]:
    """Each once, in the order of the tasks. A `Remote` is somebody else's to run."""
    names = [link for task in Task for link in settings.chain(task) if isinstance(link, str)]
    return [card(name) for name in dict.fromkeys(names)]


def venv_of(settings: Settings, card: Card) -> Path:
    return settings.venvs.llm if card.engine == VLLM else settings.venvs.engines


def install_command(card: Card) -> str:
    """What makes the venv that this card's engine runs in."""
    return shlex.join([str(CHECKOUT / "scripts" / "setup"), "llm" if card.engine == VLLM else "engines"])


def _api(settings: Settings, arguments: tuple[str, ...]) -> Program:
    argv = (sys.executable, "-m", "api", "--data", str(settings.data), *arguments)
    return Program(API, argv, settings.run_folder / "url", READY)


def _engine(settings: Settings, card: Card) -> Program | Missing:
    python = venv_of(settings, card)
    if not python.exists():
        return Missing(card.name, f"its Python is not installed ({python})", install_command(card))
    return _vllm(settings, card, python) if card.engine == VLLM else _served(settings, card, python)


def _served(settings: Settings, card: Card, python: Path) -> Program:
    socket = settings.socket(card.name)
    argv = (str(python), "-m", "serving", card.name, "--socket", str(socket))
    return Program(card.name, argv, socket)


def _vllm(settings: Settings, card: Card, python: Path) -> Program | Missing:
    folder = card.folder
    if folder is None or not folder.exists():
        return Missing(card.name, "its weights are not on this machine", f"yu models pull {card.name}")
    if damaged := damaged_file(card):
        return Missing(card.name, f"its file {damaged} is not what its card says", f"git checkout -- {folder}")
    socket, cache = settings.socket(card.name), settings.data / "cache"
    command = vllm_command(card, folder, socket, python, not GPU.exists(), cache)
    return Program(card.name, command.argv, socket, env=command.env, slow=True)
