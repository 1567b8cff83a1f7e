import asyncio
import time

import httpx
import pytest

from tests.running import PASSWORD, RunningBox, User


def claim(box: RunningBox, email: str = "owner@example.org", code: str | None = None) -> httpx.Response:
    code = code or (box.data / "claim-code").read_text()
    with box.client() as client:
        body = {"email": email, "password": PASSWORD, "claim_code": code}
        return client.post("/api/v1/auth/register", json=body)


def test_the_claim_code_makes_the_first_admin_and_is_gone(fresh_box: RunningBox) -> None:
    code = (fresh_box.data / "claim-code").read_text()
    claimed = claim(fresh_box)
    assert claimed.status_code == 201 and claimed.json()["user"]["role"] == "admin"
    assert not (fresh_box.data / "claim-code").exists()
    assert claim(fresh_box, "second@example.org", code).status_code == 403


def test_thirty_at_once_with_the_code_make_one_admin(fresh_box: RunningBox) -> None:
    code = (fresh_box.data / "claim-code").read_text()

    async def race() -> list[int]:
        async with httpx.AsyncClient(base_url=fresh_box.url, timeout=30) as client:
            bodies = [{"email": f"a{n}@example.org", "password": PASSWORD, "claim_code": code} for n in range(30)]
            answers = await asyncio.gather(*(client.post("/api/v1/auth/register", json=body) for body in bodies))
            return [answer.status_code for answer in answers]

    assert sorted(asyncio.run(race())) == [201] + [403] * 29


def test_the_code_survives_a_restart_while_nobody_has_claimed_the_box(fresh_box: RunningBox) -> None:
    code = (fresh_box.data / "claim-code").read_text()
    fresh_box.stop()
    fresh_box.start()
    assert claim(fresh_box, code=code.lower().replace("-", " ")).status_code == 201
    fresh_box.stop()
    fresh_box.start()
    assert not (fresh_box.data / "claim-code").exists()


def test_a_wrong_code_and_closed_registration_are_refused(box: RunningBox) -> None:
    assert claim(box, code="AAAA-BBBB-CCCC-DDDD").status_code == 403
    with box.client() as client:
        refused = client.post("/api/v1/auth/register", json={"email": "me@example.org", "password": PASSWORD})
    assert refused.status_code == 403 and "closed" in refused.json()["error"]["message"]


def test_login_gives_tokens_that_say_who_one_is(box: RunningBox, user: User) -> None:
    assert user.tokens["token_type"] == "Bearer" and user.tokens["expires_in"] == 900
    me = user.http.get("/api/v1/auth/me").json()
    assert (me["id"], me["email"], me["role"]) == (user.id, user.email, "user")


def test_an_unknown_account_and_a_wrong_password_look_and_last_alike(box: RunningBox, user: User) -> None:
    def attempt(email: str) -> tuple[dict, float]:
        begun = time.perf_counter()
        with box.client() as client:
            refused = client.post("/api/v1/auth/login", json={"email": email, "password": "wrong password"})
        error = refused.json()["error"]
        return {name: error[name] for name in ("code", "message", "details")}, time.perf_counter() - begun

    known = [attempt(user.email) for _ in range(7)]
    unknown = [attempt("nobody@example.org") for _ in range(7)]
    assert {str(body) for body, _ in known + unknown} == {str(known[0][0])}
    fastest_known, fastest_unknown = min(s for _, s in known), min(s for _, s in unknown)
    assert 0.5 < fastest_known / fastest_unknown < 2  # without the dummy hash it is 10 to 1


def test_logging_out_is_felt_at_once(box: RunningBox, user: User) -> None:
    assert user.http.post("/api/v1/auth/logout").status_code == 204
    assert user.http.get("/api/v1/auth/me").status_code == 401
    with box.client() as client:
        refused = client.post("/api/v1/auth/refresh", json={"refresh_token": user.tokens["refresh_token"]})
    assert refused.status_code == 401


def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(box: RunningBox, user: User) -> None:
    with box.client() as client:
        body = {"refresh_token": user.tokens["refresh_token"]}
        fresh = client.post("/api/v1/auth/refresh", json=body).json()
        client.headers["Authorization"] = f"Bearer {fresh['access_token']}"
        assert client.get("/api/v1/auth/me").status_code == 200
        assert client.post("/api/v1/auth/refresh", json=body).status_code == 401
        assert client.get("/api/v1/auth/me").status_code == 401
        second = client.post("/api/v1/auth/refresh", json={"refresh_token": fresh["refresh_token"]})
        assert second.status_code == 401


def test_two_refreshes_at_once_have_one_winner(box: RunningBox, user: User) -> None:
    async def race() -> list[int]:
        async with httpx.AsyncClient(base_url=box.url) as client:
            body = {"refresh_token": user.tokens["refresh_token"]}
            answers = await asyncio.gather(*(client.post("/api/v1/auth/refresh", json=body) for _ in range(5)))
            return sorted(answer.status_code for answer in answers)

    assert asyncio.run(race()) == [200, 401, 401, 401, 401]


def test_a_session_outlives_a_restart_of_the_box(fresh_box: RunningBox) -> None:
    user = fresh_box.new_user()
    fresh_box.stop()
    fresh_box.start()
    with fresh_box.client(user.token) as client:
        assert client.get("/api/v1/auth/me").json()["id"] == user.id
    user.http.close()


def test_an_address_is_taken_whatever_its_case(box: RunningBox, user: User) -> None:
    with box.client(box.console_token) as console:
        taken = console.post("/api/v1/users", json={"email": user.email.upper(), "password": PASSWORD})
    assert taken.status_code == 409


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "no address"), ("email", "console@localhost"), ("password", "short"), ("username", "a b"),
     ("role", "root"), ("is_active", True)],
)  # fmt: skip
def test_a_bad_field_of_a_new_account_is_named(box: RunningBox, field: str, value: object) -> None:
    body = {"email": "new@example.org", "password": PASSWORD, field: value}
    with box.client(box.console_token) as console:
        refused = console.post("/api/v1/users", json=body)
    assert refused.status_code == 400 and refused.json()["error"]["details"]["field"] == field


def test_only_an_admin_adds_accounts(box: RunningBox, user: User) -> None:
    body = {"email": "new@example.org", "password": PASSWORD}
    assert user.http.post("/api/v1/users", json=body).status_code == 403


def test_a_hundred_logins_at_once_leave_the_box_responsive(box: RunningBox, user: User) -> None:
    async def storm() -> tuple[list[int], float]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=box.url, timeout=60, limits=limits) as client:
            body = {"email": user.email, "password": PASSWORD}
            logins = [asyncio.create_task(client.post("/api/v1/auth/login", json=body)) for _ in range(100)]
            slowest = 0.0
            while not all(login.done() for login in logins):
                begun = time.perf_counter()
                await client.get("/health/live")
                slowest = max(slowest, time.perf_counter() - begun)
            return [login.result().status_code for login in logins], slowest

    statuses, slowest = asyncio.run(storm())
    assert statuses == [200] * 100
    assert slowest < 1.0
