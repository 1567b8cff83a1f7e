"""`python -m api --data DIR`: the API server as a process of its own, as `yu up` and systemd start it."""

import argparse
import ipaddress
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from api.app import create_app
from api.protocol import BoundedHttp
from appliance.errors import BadSettingsError, YuError
from appliance.settings import Settings, read_settings
from appliance.store.durable import write_durably
from serving.logs import log_as_json

FRAME_BYTES = 256 << 10
HALF_OPEN_S = 20.0  # a peer that does not answer two pings in a row is gone
GRACE_S = 5

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Says where it listens once it does, in `run/url`; when told to end, ends the answers under way first."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
            scheme = "https" if self._settings.tls else "http"
            write_durably(self._settings.run_folder / "url", f"{scheme}://{host}:{port}".encode())
            logger.info("listening", extra={"host": host, "port": port})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if box := self.lifespan.state.get("box"):
            await box.chat.aclose()  # their readers get what there is and are done: nobody waits for a long answer
        await super().shutdown(sockets)


def main() -> None:
    arguments = _parser().parse_args()
    os.umask(0o077)  # whatever this process writes is its own user's
    try:
        settings = read_settings(arguments.data, host=arguments.host, port=arguments.port, profile=arguments.profile)
        log_as_json("api", settings.log_level)
        _check_reach(settings)
    except YuError as error:
        sys.exit(error.message)
    settings.run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = Server(_config(settings), settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _handled)
    server.run()
    sys.exit(0 if server.started else 1)


def _handled(number: int, frame: object) -> None:
    """uvicorn ends on these signals and then raises them again: the process has ended well and says 0."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--profile")
    return parser


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=BoundedHttp,
        ws="websockets-sansio",
        ws_max_size=FRAME_BYTES,
        ws_per_message_deflate=False,  # a few bytes could unpack to gigabytes
        ws_ping_interval=HALF_OPEN_S,
        ws_ping_timeout=HALF_OPEN_S,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=settings.tls.certificate if settings.tls else None,
        ssl_keyfile=settings.tls.key if settings.tls else None,
    )


def _check_reach(settings: Settings) -> None:
    """Beyond this machine only with TLS and once somebody owns the box: else whoever comes first would.

    The claim code lies in the data folder until there is an admin, so a box that was never started has none either.
    """
    if _is_loopback(settings.host):
        return
    claimed = (settings.data / "yu.db").exists() and not (settings.data / "claim-code").exists()
    if settings.identity.registration == "open":
        raise BadSettingsError(settings.data / "yu.toml", "identity.registration: open only on 127.0.0.1.")
    if settings.tls is None or not claimed:
        raise BadSettingsError(
            settings.data / "yu.toml",
            f"host {settings.host} can be reached from other machines. Start on 127.0.0.1 first, claim the box, and set"
            " tls.certificate and tls.key.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main()
