"""A running box, as the commands call it: HTTP in, values out, and one error for all that it refuses."""

import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.cli.console import NotRunningError, Refused, progress
from appliance.cli.options import data_folder
from appliance.errors import YuError
from appliance.settings import read_settings

Document = dict[str, Any]

CONNECT_S = 5.0
SILENCE_S = 300.0  # a large picture on a slow engine; streams send keepalives
LINE_BYTES = 4 << 20
CHUNK_BYTES = 64 << 10


class _Error(BaseModel):
    model_config = ConfigDict(extra="ignore")
    message: str
    code: str = "UNKNOWN"
    details: dict[str, object] = {}
    request_id: str | None = None


class Box:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def json(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Document:
        """Raises `Refused`, or `NotRunningError` when nobody answers. What is None in the body is left out."""
        async with self._request(method, path, json=_given(body) if body else None) as response:
            return await _document(response)

    async def upload(self, path: str, name: str, file: Path, fields: Mapping[str, str | None]) -> Document:
        """Sends the file as the part `name`, with a progress bar on a terminal."""
        with progress() as bar, bar.open(file, "rb", description=f"Sending {file.name}") as content:
            form = aiohttp.FormData(_given(fields))
            form.add_field(name, content, filename=file.name)
            async with self._request("POST", path, data=form) as response:
                return await _document(response)

    async def download(self, path: str, into: BinaryIO) -> None:
        async with self._request("GET", path) as response:
            with progress() as bar:
                task = bar.add_task("Receiving", total=response.content_length)
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    into.write(chunk)
                    bar.advance(task, len(chunk))

    async def stream(self, path: str, body: Mapping[str, object]) -> AsyncGenerator[Document]:
        """The data of each server-sent event. Leaving closes the connection, and the box stops the answer."""
        async with self._request("POST", path, json=_given(body)) as response:
            async for line in response.content:
                if line.startswith(b"data:"):
                    yield json.loads(line.removeprefix(b"data:"))

    @asynccontextmanager
    async def _request(self, method: str, path: str, **given: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, self._url + path, allow_redirects=False, **given) as response:
                if response.status >= 300:
                    raise refusal(await response.read(), response.status)
                yield response
        except aiohttp.InvalidURL as error:
            raise YuError(f"{self._url} is not an address such as http://127.0.0.1:8080") from error
        except aiohttp.ClientSSLError as error:
            raise YuError(f"{self._url} does not prove to be the box it should be: {error}") from error
        except aiohttp.ServerFingerprintMismatch as error:
            raise YuError(f"{self._url} shows another certificate than the one in the settings of this box.") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotRunningError(
                f"There is no box at {self._url} ({type(error).__name__}). Start it: yu up"
            ) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise YuError(f"The box at {self._url} broke the connection off ({type(error).__name__}).") from error


@asynccontextmanager
async def open_box(data: Path | None, url: str | None, token: str | None) -> AsyncIterator[Box]:
    """The box at `url`, else the one that runs on this data folder, with the token of its console."""
    secure: aiohttp.Fingerprint | bool = True
    if url is None:
        run_folder = data_folder(data) / "run"
        url = _content(run_folder / "url")
        secure = _own_certificate(run_folder.parent) if url and url.startswith("https:") else True
        token = token or _content(run_folder / "console.token")
    if url is None:
        raise NotRunningError
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connector = aiohttp.TCPConnector(ssl=secure)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=headers, read_bufsize=LINE_BYTES
    ) as session:
        yield Box(session, url)


def _own_certificate(data: Path) -> aiohttp.Fingerprint:
    """This very certificate and no other: it needs no authority, and its name may not be the one in `run/url`."""
    tls = read_settings(data).tls
    if tls is None:
        raise YuError(f"The box speaks TLS, but {data / 'yu.toml'} names no certificate: give --url and --token.")
    return aiohttp.Fingerprint(sha256(ssl.PEM_cert_to_DER_cert(_first_certificate(tls.certificate))).digest())


def _first_certificate(file: Path) -> str:
    """The server's own; those of its authorities may follow."""
    end = "-----END CERTIFICATE-----"
    return file.read_text("ascii").partition(end)[0] + end


def refusal(body: bytes | Document, status: int) -> Refused:
    """From an error body, or from one inside a stream."""
    try:
        content = json.loads(body) if isinstance(body, bytes) else body
        error = _Error.model_validate(content.get("error", content))
    except (ValueError, AttributeError, ValidationError):  # not from a box: a proxy's page, for instance
        return Refused(f"The address answered {status}, but not as a box does.", "UNKNOWN", {})
    return Refused(error.message, error.code, error.details, error.request_id)


async def _document(response: aiohttp.ClientResponse) -> Document:
    body = await response.read()
    try:
        return dict(json.loads(body))
    except ValueError as error:
        raise refusal(body, response.status) from error


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _content(file: Path) -> str | None:
    try:
        return file.read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise YuError(f"You may not read {file}: run this as the user whose box it is, or give --token.") from error
