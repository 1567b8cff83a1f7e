import base64
import json
import random
import time
from collections.abc import Callable

import jwt
import pytest

from api.principal import Who
from api.urls import SOCKET, URLS
from appliance.errors import UnauthorizedError
from appliance.identity.tokens import AccessTokens
from tests.attacks import call, check_refusal, name_of, server_ms
from tests.running import RunningBox, User

CLOSED = [url for url in URLS if url.who is not Who.ANYBODY]
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
ME, REFRESH = "/api/v1/auth/me", "/api/v1/auth/refresh"

Claims = dict[str, object]


def encoded(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> dict:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed(claims: Claims, header: Claims, key: bytes = KEY) -> str:
    """Signed as it should be, whatever its header says."""
    begun = f"{encoded(header)}.{encoded(claims)}"
    return f"{begun}.{encoded(jwt.get_algorithm_by_name('HS256').sign(begun.encode(), key))}"


@pytest.fixture
def tokens() -> AccessTokens:
    return AccessTokens(KEY, 900)


@pytest.fixture
def good(tokens: AccessTokens) -> str:
    return tokens.make("usr_1", "ses_1", 0)


# --- in process: with the key itself ----------------------------------------------------------------------------------


def test_a_token_is_read_as_it_was_made(tokens: AccessTokens, good: str) -> None:
    claims = tokens.read(good)
    assert (claims.sub, claims.sid, claims.epoch) == ("usr_1", "ses_1", 0)
    assert claims.exp - claims.iat == 900


@pytest.mark.parametrize(
    "change",
    [{"alg": "none"}, {"alg": "None"}, {"alg": "nOnE"}, {"alg": ""}, {"alg": None}, {"alg": "HS384"}, {"alg": "RS256"},
     {"alg": ["HS256"]}, {"jwk": {"kty": "oct", "k": "AA"}}, {"jku": "http://127.0.0.1:1/"},
     {"x5u": "http://127.0.0.1:1"}, {"x5c": ["AA"]}, {"kid": "../../dev/null"}, {"kid": "x' UNION SELECT 'k"},
     {"kid": "0" * 16}, {"kid": None},
     {"kid": 1}, {"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"typ": "at+jwt"}, {"typ": "jwt"}, {"cty": "JWT"},
     {"zip": "DEF"}, {"enc": "A256GCM"}],
    ids=str,
)  # fmt: skip
def test_a_header_that_is_not_the_boxs_own_is_refused(tokens: AccessTokens, good: str, change: Claims) -> None:
    header, claims, _ = good.split(".")
    with pytest.raises(UnauthorizedError):
        tokens.read(signed(decoded(claims), {**decoded(header), **change}))
    with pytest.raises(UnauthorizedError):
        tokens.read(f"{encoded({**decoded(header), **change})}.{claims}.")


@pytest.mark.parametrize(
    "change",
    [lambda now: {"exp": now - 1}, lambda now: {"exp": str(now + 60)}, lambda now: {"exp": now + 60.5},
     lambda now: {"exp": 10**30}, lambda now: {"exp": now + 86_400}, lambda now: {"exp": None},
     lambda now: {"exp": -1}, lambda now: {"exp": True}, lambda now: {"nbf": now + 60}, lambda now: {"nbf": now - 60},
     lambda now: {"iat": now + 60}, lambda now: {"iat": "now"}, lambda now: {"iat": now - 86_400},
     lambda now: {"sub": 1}, lambda now: {"sub": None}, lambda now: {"sub": ["usr_1"]}, lambda now: {"sid": 1},
     lambda now: {"epoch": "0"}, lambda now: {"epoch": 0.0}, lambda now: {"epoch": False},
     lambda now: {"role": "admin"},
     lambda now: {"aud": "other"}, lambda now: {"iss": "other"}, lambda now: {"jti": "1"}],
)  # fmt: skip
def test_claims_that_the_box_does_not_make_are_refused(
    tokens: AccessTokens, good: str, change: Callable[[int], Claims]
) -> None:
    header, claims, _ = map(str, good.split("."))
    with pytest.raises(UnauthorizedError):
        tokens.read(signed({**decoded(claims), **change(int(time.time()))}, decoded(header)))


@pytest.mark.parametrize("missing", ["sub", "sid", "epoch", "iat", "exp"])
def test_a_claim_that_is_missing_is_refused(tokens: AccessTokens, good: str, missing: str) -> None:
    header, claims, _ = good.split(".")
    with pytest.raises(UnauthorizedError):
        tokens.read(
            signed({name: value for name, value in decoded(claims).items() if name != missing}, decoded(header))
        )


@pytest.mark.parametrize("text", ["", ".", "..", "...", "....", "a", "a.b", " . . ", "\0.\0.\0", "é.é.é", "=.=.=",
                                  "\ud800.a.b", "a" * 10_000, "." * 10_000])  # fmt: skip
def test_what_is_no_token_is_refused(tokens: AccessTokens, text: str) -> None:
    with pytest.raises(UnauthorizedError):
        tokens.read(text)


@pytest.mark.parametrize(
    "content", [b"[" * 1400, b'{"a":' * 280, b"1", b"null", b'"x"', b"\xff", b"1e999", b"9" * 1400]
)
def test_a_part_that_is_no_object_is_refused(tokens: AccessTokens, good: str, content: bytes) -> None:
    header, claims, signature = good.split(".")
    begun = f"{header}.{encoded(content)}"
    own = encoded(jwt.get_algorithm_by_name("HS256").sign(begun.encode(), KEY))
    for text in (
        f"{encoded(content)}.{claims}.{signature}",
        f"{begun}.{own}",
        f"{header}.{encoded(content)}.{signature}",
    ):
        with pytest.raises(UnauthorizedError):
            tokens.read(text)


def test_the_parts_of_a_token_have_one_form(tokens: AccessTokens, good: str) -> None:
    header, claims, signature = good.split(".")
    begun = good.rpartition(".")[0]
    same = signature[:-1] + chr(ord(signature[-1]) + 1)  # the two lowest bits of the last letter are no part of it
    for text in (f"{good}=", f"{good}\n", f" {good}", f"{header}=.{claims}.{signature}", f"{begun}.{same}",
                 f"{begun}.", begun, f"{good}.", f"{good}.{signature}", good.replace("_", "/").replace("-", "+") + "=",
                 f"{header}.{claims}\n.{signature}", f"{header}\t.{claims}.{signature}"):  # fmt: skip
        with pytest.raises(UnauthorizedError):
            tokens.read(text)


def test_another_boxs_token_is_refused(tokens: AccessTokens) -> None:
    with pytest.raises(UnauthorizedError):
        tokens.read(AccessTokens(OTHER_KEY, 900).make("usr_1", "ses_1", 0))


def flipped(token: str, seed: int) -> str:
    """A twentieth of its bits the other way round, as bits of the text or of what the text means."""
    chance = random.Random(seed)
    if seed % 2:
        raw = bytearray(token.encode())
        for bit in chance.sample(range(len(raw) * 8), max(1, len(raw) * 8 // 20)):
            raw[bit // 8] ^= 1 << bit % 8
        return raw.decode("latin-1")
    parts = [bytearray(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")]
    part = parts[seed // 2 % 3]
    for bit in chance.sample(range(len(part) * 8), max(1, len(part) * 8 // 20)):
        part[bit // 8] ^= 1 << bit % 8
    return ".".join(encoded(bytes(part)) for part in parts)


def test_two_thousand_damaged_tokens_are_refused(tokens: AccessTokens, good: str) -> None:
    for seed in range(2000):
        with pytest.raises(UnauthorizedError):
            tokens.read(flipped(good, seed))
    for place in range(len(good)):  # and each letter alone
        with pytest.raises(UnauthorizedError):
            tokens.read(good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :])


# --- through the door -------------------------------------------------------------------------------------------------


def test_damaged_and_foreign_tokens_are_refused_over_http(box: RunningBox, user: User) -> None:
    header, claims, signature = user.token.split(".")
    changed = {**decoded(claims), "exp": int(time.time()) + 10**6}
    texts = [flipped(user.token, seed) for seed in range(100)]
    texts += [f"{encoded({**decoded(header), 'alg': 'none'})}.{claims}.", f"{header}.{encoded(changed)}.{signature}",
              f"{header}.{claims}.", f"{header}.{claims}", jwt.encode(decoded(claims), KEY, "HS256"),
              jwt.encode(decoded(claims), KEY, "HS256", headers=decoded(header)),
              f"{encoded(b'[' * 1400)}.."]  # fmt: skip
    with box.client() as client:
        for text in texts:
            given = b"Bearer " + bytes(letter if 32 < letter < 127 else 126 for letter in text.encode("latin-1"))
            check_refusal(client.get(ME, headers={b"Authorization": given}), 401)
        assert client.get(ME, headers={"Authorization": f"bearer  {user.token}"}).status_code == 200


def test_an_access_token_is_over_when_its_time_is(tmp_path, stub) -> None:
    box = RunningBox(tmp_path / "data", {"identity": {"access_token_s": 1}})
    user = box.new_user()
    made = decoded(user.token.split(".")[1])
    assert made["exp"] - made["iat"] == 1
    while time.time() < made["exp"] + 0.01:
        time.sleep(0.02)
    check_refusal(user.http.get(ME), 401)
    with box.client() as client:
        fresh = client.post(REFRESH, json={"refresh_token": user.tokens["refresh_token"]}).json()
        assert client.get(ME, headers={"Authorization": f"Bearer {fresh['access_token']}"}).status_code == 200
    user.http.close()
    box.close()


def test_after_logging_out_every_url_refuses_the_token(box: RunningBox, user: User) -> None:
    user.http.post("/api/v1/auth/logout")
    for url in CLOSED:
        assert call(user.http, url).status_code == 401, name_of(url)
    check_refusal(user.http.get("/health/ready"), 401)
    assert any(url.method == SOCKET for url in CLOSED) and len(CLOSED) > len(URLS) / 2


def test_a_stolen_refresh_token_ends_the_whole_family(box: RunningBox, user: User) -> None:
    first = {"refresh_token": user.tokens["refresh_token"]}
    with box.client() as client:
        second = client.post(REFRESH, json=first).json()
        third = client.post(REFRESH, json={"refresh_token": second["refresh_token"]}).json()
        check_refusal(client.post(REFRESH, json=first), 401)
        for family in (second, third):
            check_refusal(client.post(REFRESH, json={"refresh_token": family["refresh_token"]}), 401)
        for token in (user.token, second["access_token"], third["access_token"]):
            check_refusal(client.get(ME, headers={"Authorization": f"Bearer {token}"}), 401)


def test_the_other_sessions_of_a_user_live_on(box: RunningBox, user: User) -> None:
    with box.client() as client:
        login = {"email": user.email, "password": "correct horse battery"}
        other = client.post("/api/v1/auth/login", json=login).json()
        user.http.post("/api/v1/auth/logout")
        assert client.get(ME, headers={"Authorization": f"Bearer {other['access_token']}"}).status_code == 200


def test_each_kind_of_token_is_good_for_its_own_thing_alone(box: RunningBox, user: User) -> None:
    with box.client() as client:
        check_refusal(client.post(REFRESH, json={"refresh_token": user.token}), 400, "refresh_token")  # far too long
        check_refusal(client.post(REFRESH, json={"refresh_token": box.console_token}), 401)
        for wrong in (user.tokens["refresh_token"], box.console_token[:-1], box.console_token + "A"):
            check_refusal(client.get(ME, headers={"Authorization": f"Bearer {wrong}"}), 401)


@pytest.mark.parametrize(
    ("value", "status"),
    [("", 401), ("yur_", 401), ("yur_" + "A" * 43, 401), ("💩", 401), ("\0", 401), ("x' OR 1=1 --", 401),
     ("a" * 257, 400),     (None, 400), (1, 400), (["yur_"], 400)],
)  # fmt: skip
def test_what_is_no_refresh_token_gets_nothing(box: RunningBox, value: object, status: int) -> None:
    with box.client() as client:
        check_refusal(client.post(REFRESH, json={"refresh_token": value}), status)


def test_the_token_of_another_boxs_console_opens_nothing(box: RunningBox, slow_box: RunningBox) -> None:
    with box.client(slow_box.console_token) as client:
        check_refusal(client.get(ME), 401)


def test_a_token_of_another_box_opens_nothing(box: RunningBox, slow_box: RunningBox) -> None:
    stranger = slow_box.new_user()
    with box.client(stranger.token) as client:
        check_refusal(client.get(ME), 401)
        check_refusal(client.post(REFRESH, json={"refresh_token": stranger.tokens["refresh_token"]}), 401)
    stranger.http.close()


@pytest.mark.parametrize(
    "email", ["' OR 1=1 --", "a\0@b.c", "%", "console@localhost", "CONSOLE@LOCALHOST", "\u212a@x.y"]
)
def test_a_hostile_address_logs_nobody_in(box: RunningBox, email: str) -> None:
    with box.client() as client:
        for password in ("' OR 1=1 --", "!", "\0"):
            refused = client.post("/api/v1/auth/login", json={"email": email, "password": password})
            check_refusal(refused, 401)
            assert server_ms(box, refused) < 2000
