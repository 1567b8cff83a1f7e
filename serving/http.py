"""The caller's end of the wire, below any task: one server's connections, and what its answers mean as errors.

aiohttp because its parser is in C: a stream of tokens costs about a third of what it costs with httpx.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import (
    BaseConnector,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    FormData,
    TCPConnector,
    UnixConnector,
)
from pydantic import BaseModel, ConfigDict, ValidationError

from serving.wire import (
    BadMediaError,
    EngineBusyError,
    EngineDownError,
    EngineUnavailableError,
    RefusedError,
    UnsupportedError,
)

ANSWER_BYTES = 64 << 20
ERROR_BYTES = 64 << 10
MESSAGE_CHARS = 500
LONGEST_WAIT_S = 3600.0

# Below the 5 s after which uvicorn (and so vLLM) closes an idle connection: a request must not meet that closing.
KEEP_ALIVE_S = 4.0
CONNECT_S = 5.0

# Only these speak of the input. A refused key, an unknown path or model (401, 403, 404 …) is a server set up wrongly:
# the next engine of the chain may well answer.
REFUSALS: dict[int, type[RefusedError]] = {
    400: RefusedError,
    413: BadMediaError,
    415: UnsupportedError,
    422: RefusedError,
}
BUSY = (429, 503)


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    headers: Mapping[str, str]


class Wire:
    """One server. `address` is `unix:/path/to.sock` or a base URL; a trailing `/v1` is tolerated."""

    def __init__(self, address: str, api_key: str | None = None) -> None:
        self._socket, self._base = _parsed(address)
        self._headers = {"Accept-Encoding": "identity"}  # a compressed answer could be a bomb
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._session: ClientSession | None = None

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def status(self, path: str, timeout_s: float) -> int | None:
        """What a GET is answered with; None when nobody answers in time."""
        try:
            async with self._open("GET", path, None, None, ClientTimeout(total=timeout_s)) as response:
                return response.status
        except (ClientError, OSError):
            return None

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: FormData | None = None,
        timeout_s: float,
        limit: int = ANSWER_BYTES,
    ) -> Answer:
        """The whole answer of a 2xx; anything else is raised as one of `serving.wire`'s errors."""
        timeout = ClientTimeout(total=timeout_s, sock_connect=CONNECT_S)
        try:
            async with self._open(method, path, json, data, timeout) as response:
                await _raise_for_status(response)
                return Answer(await _limited(response, limit), response.headers)
        except TimeoutError as error:
            raise EngineUnavailableError(f"The engine did not answer within {timeout_s:g} s.") from error
        except (ClientError, OSError) as error:
            raise _unreachable(error) from error

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, json: object = None, timeout_s: float
    ) -> AsyncIterator[ClientResponse]:
        """A 2xx whose body is still coming; `timeout_s` is the longest silence. Leaving closes the connection."""
        timeout = ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=timeout_s)
        try:
            async with self._open(method, path, json, None, timeout) as response:
                await _raise_for_status(response)
                yield response
        except (ClientError, ConnectionError) as error:  # not TimeoutError: that one may be the reader's own
            raise _unreachable(error) from error

    @asynccontextmanager
    async def _open(
        self, method: str, path: str, json: object, data: FormData | None, timeout: ClientTimeout
    ) -> AsyncIterator[ClientResponse]:
        """Redirects are not followed: an engine must not send its caller anywhere."""
        async with self._connected().request(
            method, self._base + path, json=json, data=data, timeout=timeout, allow_redirects=False
        ) as response:
            yield response

    def _connected(self) -> ClientSession:
        if self._session is None:  # made at the first request, as it belongs to the running loop
            self._session = ClientSession(
                connector=self._connector(),
                headers=self._headers,
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    def _connector(self) -> BaseConnector:
        if self._socket is not None:
            return UnixConnector(self._socket, limit=0, keepalive_timeout=KEEP_ALIVE_S)
        return TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)


def _parsed(address: str) -> tuple[str | None, str]:
    """The socket's path, if it is one, and what stands before each path of a request."""
    if address.startswith("unix:/"):
        return address.removeprefix("unix:"), "http://engine"
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"The address of an engine is unix:/path or http://host:port, not {address!r}.")
    return None, address.rstrip("/").removesuffix("/v1").rstrip("/")


async def _limited(response: ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise EngineUnavailableError(f"The engine's answer is larger than {limit >> 10} KiB.")
    return bytes(body)


async def _raise_for_status(response: ClientResponse) -> None:
    if 200 <= response.status < 300:
        return
    told = _told(await _limited(response, ERROR_BYTES))
    if refusal := REFUSALS.get(response.status):
        if told.code == "BAD_MEDIA":
            refusal = BadMediaError
        raise refusal(told.message or "The engine refused the request.", told.param)
    problem = f"The engine answered {response.status}: {told.message}".rstrip(": ")
    wait_s = _seconds(response.headers.get("Retry-After"))
    if response.status in BUSY and wait_s is not None:
        raise EngineBusyError(problem, wait_s)
    raise EngineUnavailableError(problem)


class _Told(BaseModel):
    """OpenAI's error; LibreTranslate's and FastAPI's are read as a message alone."""

    model_config = ConfigDict(extra="ignore")
    message: str = ""
    param: str | None = None
    code: str | int | None = None


class _ErrorBody(BaseModel):
    model_config = ConfigDict(extra="ignore")
    error: _Told | str


def _told(body: bytes) -> _Told:
    try:
        error = _ErrorBody.model_validate_json(body).error
    except ValidationError:  # any server may be at the other end: its page of HTML is nobody's message
        return _Told()
    told = _Told(message=error) if isinstance(error, str) else error
    printable = "".join(letter if letter.isprintable() else " " for letter in told.message[:MESSAGE_CHARS])
    return told.model_copy(update={"message": printable.strip()})


def _seconds(header: str | None) -> float | None:
    if header is None or not (header.isascii() and header.isdigit()):
        return None
    return min(float(header), LONGEST_WAIT_S)


def _unreachable(error: Exception) -> EngineUnavailableError:
    kind = EngineDownError if isinstance(error, ClientConnectorError) else EngineUnavailableError
    return kind(f"The engine cannot be reached ({type(error).__name__}).")
