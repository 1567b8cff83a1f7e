"""Register, log in, refresh, log out, and who am I."""

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer
from api.bodies import Body, read_json
from api.principal import box_of, principal_of
from appliance.identity.accounts import Account

Email = Annotated[str, Field(max_length=254)]  # RFC 5321; to fold a long one would take the box minutes
Username = Annotated[str | None, Field(max_length=32)]
Password = Annotated[str, Field(min_length=1, max_length=1024)]


class Registration(Body):
    email: Email
    password: Password
    username: Username = None
    claim_code: Annotated[str | None, Field(max_length=64)] = None


class Login(Body):
    email: Email
    password: Password
    device: Annotated[str | None, Field(max_length=100)] = None


class RefreshRequest(Body):
    refresh_token: Annotated[str, Field(max_length=256)]


class NewUser(Body):
    email: Email
    password: Password
    username: Username = None
    role: Literal["admin", "user"] = "user"


class User(BaseModel):
    id: str
    email: str
    username: str | None
    role: Literal["admin", "user", "service"]
    subscription_tier: str
    created_at: str
    last_login: str | None


class TokenPair(BaseModel):
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int


class Registered(TokenPair):
    user: User


def _user(account: Account) -> User:
    return User.model_validate(account, from_attributes=True)


async def register(request: Request) -> Response:
    box = box_of(request)
    body = await read_json(request, Registration, box.settings.limits.json_bytes)
    account = await box.accounts.register(body.email, body.password, username=body.username, claim_code=body.claim_code)
    tokens = await box.sessions.begin(account, device=None)
    return answer(Registered(user=_user(account), **asdict(tokens)), status=201)


async def login(request: Request) -> Response:
    box = box_of(request)
    body = await read_json(request, Login, box.settings.limits.json_bytes)
    account = await box.accounts.log_in(body.email, body.password)
    tokens = await box.sessions.begin(account, body.device)
    return answer(TokenPair(**asdict(tokens)))


async def refresh(request: Request) -> Response:
    box = box_of(request)
    body = await read_json(request, RefreshRequest, box.settings.limits.json_bytes)
    return answer(TokenPair(**asdict(await box.sessions.refresh(body.refresh_token))))


async def logout(request: Request) -> Response:
    session_id = principal_of(request).session_id
    if session_id is not None:
        await box_of(request).sessions.end(session_id)
    return Response(status_code=204)


async def me(request: Request) -> Response:
    return answer(_user(await box_of(request).accounts.get(principal_of(request).user_id)))


async def add_user(request: Request) -> Response:
    box = box_of(request)
    body = await read_json(request, NewUser, box.settings.limits.json_bytes)
    account = await box.accounts.add(body.email, body.password, role=body.role, username=body.username)
    return answer(_user(account), status=201)
