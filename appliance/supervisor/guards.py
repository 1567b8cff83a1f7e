"""What is checked before a box starts: nobody else is up on its data, and its port is free."""

import errno
import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import YuError


class AlreadyUpError(YuError):
    """The box is already up on this data folder."""


class PortTakenError(YuError):
    """The port cannot be used."""


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Raises `AlreadyUpError` when another `yu up` runs on this data folder."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUpError(
                f"The box is already up on {data}. Stop that one first (Ctrl-C), or: yu up --data OTHER"
            ) from None
        yield


def check_port(host: str, port: int) -> None:
    """Raises `PortTakenError` saying what to do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            attempt.bind(address)
    except PermissionError:
        raise PortTakenError(f"Port {port} is for root alone. Take one above 1023: yu up --port 8080") from None
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise PortTakenError(
                f"This machine has no address {host!r}. Take its own: yu up --host 127.0.0.1"
            ) from None
        other = port % 65535 + 1
        raise PortTakenError(
            f"Port {port} of {host} cannot be used: {error.strerror}. Take another: yu up --port {other}"
        ) from None
