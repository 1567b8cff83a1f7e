"""Every URL of the list, as a stranger, with a wrong token, as a user: what is added there is held to this at once."""

import secrets

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.principal import Who
from api.urls import SOCKET, URLS, Url
from tests.attacks import HOST, SECURITY, call, check_refusal, name_of, path_of, raw
from tests.running import RunningBox, User

CLOSED = [url for url in URLS if url.who is not Who.ANYBODY]
PLAIN = [url for url in URLS if url.method != SOCKET]
GARBAGE = [
    "Bearer garbage", "Bearer", "", "Basic YTpi", "bearer yuc_" + "A" * 43, "Bearer yur_" + "A" * 43,
    "Bearer a.b.c", "Bearer ..", "Bearer " + "é" * 100, "Bearer " + "a" * 5000, "Bearer null", "yuc_ yuc_ yuc_",
]  # fmt: skip


@pytest.fixture(scope="module")
def user(box: RunningBox):
    user = box.new_user()
    yield user
    user.http.close()


@pytest.mark.parametrize("url", CLOSED, ids=name_of)
def test_nobody_is_let_in_without_a_good_token(box: RunningBox, url: Url) -> None:
    with box.client() as stranger:
        check_refusal(call(stranger, url), 401)
        for given in GARBAGE:
            refused = call(stranger, url, Authorization=given)
            check_refusal(refused, 401)
            assert refused.headers["www-authenticate"] == "Bearer"


def test_two_tokens_are_none(box: RunningBox, user: User) -> None:
    token = f"Authorization: Bearer {user.token}\r\n".encode()
    check_refusal(raw(box, b"GET /api/v1/auth/me HTTP/1.1\r\n" + HOST + token + token + b"\r\n"), 401)


@pytest.mark.parametrize("where", ["?access_token={}", "?token={}", "?authorization=Bearer%20{}"])
def test_a_token_in_a_url_is_none(box: RunningBox, user: User, where: str) -> None:
    with box.client() as stranger:
        check_refusal(stranger.get("/api/v1/auth/me" + where.format(user.token)), 401)
        stranger.cookies.set("access_token", user.token)
        check_refusal(stranger.get("/api/v1/auth/me"), 401)


@pytest.mark.parametrize("url", [url for url in URLS if url.who is Who.ADMIN], ids=name_of)
def test_what_is_an_admins_is_refused_to_a_user_before_its_body_is_read(user: User, url: Url) -> None:
    check_refusal(call(user.http, url), 403)
    check_refusal(user.http.request(url.method, path_of(url), content=b"{" * 100), 403)


def test_the_public_urls_are_those_that_were_meant_to_be() -> None:
    assert {name_of(url) for url in URLS if url.who is Who.ANYBODY} == {
        "GET /health/live", "GET /health/ready", "GET /docs", "GET /docs/{name}", "GET /api/v1/openapi.json",
        "POST /api/v1/auth/register", "POST /api/v1/auth/login", "POST /api/v1/auth/refresh",
        "GET /api/v1/files/{file_id}",
    }  # fmt: skip


@pytest.mark.parametrize("url", PLAIN, ids=name_of)
def test_a_wrong_method_is_told_the_right_ones(user: User, url: Url) -> None:
    methods = {other.method for other in PLAIN if other.path == url.path}
    for wrong in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - methods:
        refused = user.http.request(wrong, path_of(url))
        check_refusal(refused, 405)
        assert set(refused.headers["allow"].split(", ")) - {"HEAD"} == methods


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/api/v1/", "/api/v2/auth/me", "/admin", "/.env",
                                  "/docs/../api", "/static", "/api/v1/auth/me/", "/API/v1/auth/me",
                                  "/x" * 4000])  # fmt: skip
def test_an_unknown_path_is_nowhere(box: RunningBox, user: User, path: str) -> None:
    with box.client() as stranger:
        check_refusal(stranger.get(path), 404)
    check_refusal(user.http.post(path, json={"a": 1}), 404)


@pytest.mark.parametrize("url", PLAIN, ids=name_of)
def test_no_url_fails_on_a_body_or_a_query_that_it_does_not_take(user: User, url: Url) -> None:
    if url.path.endswith(("/logout", "/register")):
        return
    for content, kind in (
        (b"\0" * 100, "application/json"),
        (b"[]", "application/json"),
        (b"--b--", "multipart/form-data"),
    ):
        response = user.http.request(url.method, path_of(url) + "?a=1&a=2&%00=%ff", content=content,
                                     headers={"Content-Type": kind})  # fmt: skip
        assert response.status_code < 500 or response.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
        if response.status_code >= 500:
            assert url.path.endswith("/languages")  # nothing of the request is looked at: no engine runs here
        elif response.status_code >= 400:
            check_refusal(response, response.status_code)


@pytest.mark.parametrize("url", [url for url in PLAIN if url.who is Who.ANYBODY and url.method == "GET"], ids=name_of)
def test_answers_bring_the_security_headers_and_a_request_id(box: RunningBox, url: Url) -> None:
    with box.client() as stranger:
        answer = call(stranger, url)
        head = stranger.head(path_of(url))
    for name, value in SECURITY.items():
        assert answer.headers[name] == head.headers[name] == value
    assert answer.headers["x-request-id"] != head.headers["x-request-id"]
    assert head.content == b"" and head.status_code == answer.status_code
    assert "server" not in answer.headers and "access-control-allow-origin" not in answer.headers


def test_a_request_id_is_the_boxs_own(box: RunningBox) -> None:
    given = f"req_{secrets.token_hex(12)}"
    with box.client() as stranger:
        answer = stranger.get("/health/live", headers={"X-Request-ID": given})
    assert given not in answer.headers["x-request-id"]


def test_the_description_is_valid_and_whole(box: RunningBox) -> None:
    with box.client() as stranger:
        described = stranger.get("/api/v1/openapi.json").json()
    OpenAPIV31SpecValidator(described).validate()
    assert described["openapi"].startswith("3.1")
    for url in PLAIN:
        if not url.path.startswith("/docs"):
            operation = described["paths"][url.path][url.method.lower()]
            assert bool(operation["security"]) == (url.who is not Who.ANYBODY)
            assert str(url.status) in operation["responses"] and "400" in operation["responses"]
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    sockets = [url.path for url in URLS if url.method == SOCKET]
    assert all(path in described["info"]["description"] for path in sockets)
