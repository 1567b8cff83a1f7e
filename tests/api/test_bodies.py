import json
import time
import unicodedata

import httpx
import pytest

from tests.attacks import check_refusal, rss_mb, server_ms
from tests.running import PASSWORD, Events, RunningBox, User

MESSAGE = "/api/v1/chat/message"
JSON = {"Content-Type": "application/json"}
MB = 1 << 20


@pytest.fixture(scope="module")
def user(box: RunningBox):
    user = box.new_user()
    yield user
    user.http.close()


def post(user: User, body: bytes | str, path: str = MESSAGE, **headers: str) -> httpx.Response:
    return user.http.post(path, content=body, headers={**JSON, **headers})


# --- what is no request -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["", "  ", "null", "[]", '"x"', "1", "true", "{}", '{"message":null}'])
def test_a_body_that_is_no_request_names_what_is_missing(user: User, body: str) -> None:
    error = check_refusal(post(user, body), 400)
    assert error["code"] == "INVALID_REQUEST" and error["details"]["field"] in ("body", "message")


@pytest.mark.parametrize(
    "body",
    [b"{", b"{]", b'{"message":"x"} {}', b"{'message':'x'}", b'{"message":"x",}', b"\xff\xfe{}", b"\xef\xbb\xbf{}",
     b'{"message":"\xff"}', b'{"message":"\xed\xa0\x80"}', b'{"message":"\\ud800"}', b'{"message":"\\udc00\\ud800"}',
     b'{"message":"\n"}', b'{"message":"x"', b'\0{"message":"x"}', b'{"message":\\u0022x\\u0022}', b"NaN", b"-",
     '{"message":"x"}'.encode("utf-16")],
)  # fmt: skip
def test_a_body_that_is_not_json_is_refused(user: User, body: bytes) -> None:
    error = check_refusal(post(user, body), 400)
    assert error["code"] in ("BAD_REQUEST", "INVALID_REQUEST")


@pytest.mark.parametrize(
    "media_type",
    ["application/x-www-form-urlencoded", "text/plain", "", "multipart/form-data", "application/jsonp", "a/b;c=d"],
)
def test_another_media_type_is_refused(user: User, media_type: str) -> None:
    body = '{"message":"x"}'
    check_refusal(user.http.post(MESSAGE, content=body, headers={"Content-Type": media_type}), 415)
    bare = user.http.build_request("POST", MESSAGE, content=body)
    assert "content-type" not in bare.headers
    check_refusal(user.http.send(bare), 415)


@pytest.mark.parametrize("accept", ["text/html", "*/*;q=0", "", "image/png, application/xml", "a" * 5000])
def test_an_error_is_json_whatever_the_client_would_like(user: User, accept: str) -> None:
    check_refusal(post(user, "{}", Accept=accept), 400, "message")
    check_refusal(user.http.get("/nowhere", headers={"Accept": accept}), 404)


# --- closed types -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [("message", 1), ("message", ["x"]), ("message", {"a": 1}), ("message", True), ("message", ""), ("message", " \n"),
     ("message", "x" * 32_001), ("message", "e" + "\u0301" * 100_000), ("stream", "yes"), ("stream", 1),
     ("stream", None), ("personality", "root"), ("personality", 1), ("personality", ""), ("conversation_id", 1),
     ("conversation_id", "c" * 65), ("on_disconnect", "explode"), ("role", "system"), ("owner", "usr_0"),
     ("user_id", "usr_0"), ("model", "other"), ("temperature", 9), ("max_tokens", 10**9), ("tools", []),
     ("chat_template_kwargs", {}), ("__class__", "x"), ("", "x"), ("message\0", "x")],
)  # fmt: skip
def test_a_wrong_or_unknown_field_of_a_message_is_named(user: User, field: str, value: object) -> None:
    body = json.dumps({"message": "hello", field: value})
    check_refusal(post(user, body), 400, field or "body")


@pytest.mark.parametrize(
    ("field", "value"),
    [("speed", -1), ("speed", 0), ("speed", 100), ("speed", "1"), ("speed", float("nan")), ("speed", float("inf")),
     ("voice", ""), ("voice", "v" * 65), ("voice", 1), ("format", "exe"), ("format", "MP3"), ("text", ""),
     ("text", "a" * 900_000), ("language", "../en"), ("language", "e"), ("language", "en\n"), ("url", "http://x")],
)  # fmt: skip
def test_a_wrong_field_of_a_speech_is_named(user: User, field: str, value: object) -> None:
    refused = post(user, json.dumps({"text": "hello", field: value}), "/api/v1/voice/synthesize")
    if value != value or value == float("inf"):
        check_refusal(refused, 400)  # JSON has no such numbers, so the body may be what is wrong
    else:
        check_refusal(refused, 400, field)


@pytest.mark.parametrize(
    ("field", "value"),
    [("text", ""), ("text", "a" * 20_001), ("text", None), ("to_language", "x' OR 1=1 --"), ("to_language", ""),
     ("to_language", "a" * 40), ("from_language", "../../etc"), ("from_language", 7), ("context", "c" * 201),
     ("context", []), ("file", "x")],
)  # fmt: skip
def test_a_wrong_field_of_a_translation_is_named(user: User, field: str, value: object) -> None:
    body = {"text": "hello", "to_language": "es", field: value}
    check_refusal(post(user, json.dumps(body), "/api/v1/translate/text"), 400, field)


@pytest.mark.parametrize("field", ["id", "user_id", "message_count", "created_at", "seq", "last_message"])
def test_a_conversation_takes_nothing_but_its_title_and_personality(user: User, field: str) -> None:
    conversation = f"/api/v1/chat/conversations/{user.say('mine').json()['conversation_id']}"
    before = user.http.get(conversation).json()
    check_refusal(user.http.patch(conversation, json={"title": "new", field: 7}), 400, field)
    for title in ("", " ", "t" * 121, 7, ["t"]):
        check_refusal(user.http.patch(conversation, json={"title": title}), 400, "title")
    assert user.http.get(conversation).json() == before


@pytest.mark.parametrize("field", ["role", "id", "is_active", "subscription_tier", "password_hash", "epoch"])
def test_nobody_registers_as_more_than_a_user(box: RunningBox, field: str) -> None:
    body = {"email": "climber@example.org", "password": PASSWORD, field: "admin"}
    with box.client() as client:
        check_refusal(client.post("/api/v1/auth/register", json=body), 400, field)
        body = {"email": "climber@example.org", "password": PASSWORD}
        check_refusal(client.post("/api/v1/auth/login", json=body), 401)


# --- size and depth ---------------------------------------------------------------------------------------------------

HEAVY = {
    "nested arrays": b"[" * 100_000 + b"]" * 100_000,
    "nested in the field": b'{"message":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "open arrays": b"[" * 1_000_000,
    "many numbers": b"[" + b"1," * 500_000 + b"1]",
    "many numbers in the field": b'{"message":[' + b"1," * 500_000 + b"1]}",
    "a long key": b'{"' + b"k" * 1_000_000 + b'":1}',
    "many keys": b"{" + b",".join(b'"%x":1' % n for n in range(90_000)) + b"}",
    "5,000 digits": b'{"message":"x","stream":' + b"9" * 5000 + b"}",
    "a million digits": b'{"message":' + b"9" * 1_000_000 + b"}",
    "5,000 digits of a key": b'{"message":"x","' + b"9" * 5000 + b'":1}',
    "1e400": b'{"message":1e400}',
    "1e999999999": b'{"message":1e999999999}',
    "a long fraction": b'{"message":0.' + b"3" * 900_000 + b"}",
    "escapes": b'{"message":"' + b"\\u0000" * 160_000 + b'"}',
    "the same key": b"{" + b'"message":"x",' * 70_000 + b'"message":1}',
    "white space": b" " * 1_000_000,
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_heavy_body_is_refused_at_once(box: RunningBox, user: User, name: str) -> None:
    refused = [post(user, HEAVY[name]) for _ in range(3)]
    for response in refused:
        check_refusal(response, 400)
    most = 200 if name == "many keys" else 50  # a megabyte of unknown keys: 50 to 100 ms, all of it pydantic's
    assert min(server_ms(box, response) for response in refused) <= most


def test_numbers_without_end_and_numbers_that_are_none_are_refused_where_a_number_is_asked(user: User) -> None:
    for number in ("9" * 5000, "1e400", "-1e400", "NaN", "Infinity", "0" + "1" * 10, "0x10", "1_0", "+1", ".5"):
        check_refusal(post(user, f'{{"text":"x","speed":{number}}}', "/api/v1/voice/synthesize"), 400)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "counted"])
@pytest.mark.parametrize("path", [MESSAGE, "/api/v1/auth/login", "/api/v1/translate/text"])
def test_a_body_over_the_limit_is_refused(user: User, path: str, declared: bool) -> None:
    body = b'{"message":"' + b"x" * 2 * MB + b'"}'
    content = body if declared else (body[start : start + 65536] for start in range(0, len(body), 65536))
    check_refusal(user.http.post(path, content=content, headers=JSON), 413)


@pytest.mark.parametrize("body", [b"&".join(b"%x=1" % n for n in range(1_000_000)), b"a=" + b"b" * 50 * MB])
def test_a_form_is_refused_before_it_is_kept(box: RunningBox, user: User, body: bytes) -> None:
    before = rss_mb(box)
    for path in (MESSAGE, "/api/v1/auth/login", "/api/v1/voice/transcribe"):
        refused = user.http.post(path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert refused.status_code in (413, 415)
        check_refusal(refused, refused.status_code)
    assert rss_mb(box) - before < 20


def test_an_address_made_to_be_slow_to_fold_is_refused_at_once(box: RunningBox) -> None:
    slow = "a" + "\u0301\u0316" * 60_000 + "@example.org"  # its marks are sorted one by one: 2 s on one core, and n²
    begun = time.perf_counter()
    with box.client() as client:
        for path in ("login", "register"):
            refused = client.post(f"/api/v1/auth/{path}", json={"email": slow, "password": PASSWORD})
            check_refusal(refused, 400, "email")
            assert server_ms(box, refused) <= 50
            refused = client.post(f"/api/v1/auth/{path}", json={"email": "a@b.c", "password": slow})
            check_refusal(refused, 400, "password")
    assert time.perf_counter() - begun < 2


# --- texts come back as they were -------------------------------------------------------------------------------------

TEXTS = {
    "NUL": "a\0b",
    "every control": "".join(map(chr, range(1, 32))) + "\x7f\x85\u2028\u2029 end",
    "a family": "👨‍👩‍👧‍👦🏳️‍🌈👩🏽‍🚀",
    "right to left": "\u202egnp.exe\u202c שלום \u2066\u0645\u0631\u062d\u0628\u0627\u2069",
    "not composed": "Cafe\u0301 A\u030a \ufb01 \u1100\u1161 \u212b",
    "composed": unicodedata.normalize("NFC", "Cafe\u0301"),
    "marks": "Z" + "\u0335\u0351\u0344" * 10_000,
    "beyond the plane": "\U0010ffff\U0001d11e\ufffe\uffff\ufdd0",
    "private and unassigned": "\ue000\U000e0001\U000e0061\u0378",
    "a byte order mark": "\ufefftext\ufeff",
    "zero width": "a\u200b\u200d\u2060b\u00ad",
    "markup": "<script>alert(1)</script>![x](http://evil.example/?q=1){{7*7}}${7*7}%s%n\x1b[31m",
    "SQL": "'; DROP TABLE messages; -- \" OR 1=1 /*",
    "the longest": "ß" * 32_000,
    "spaces around": "  \t kept as typed \n ",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_kept_byte_by_byte(box: RunningBox, name: str) -> None:
    text, user = TEXTS[name], box.new_user()
    sent = user.say(text)
    assert sent.status_code == 200
    reply, question = user.history()
    assert question["content"].encode() == text.encode()
    assert reply["content"] == sent.json()["response"]
    raw = json.dumps({"message": text}, ensure_ascii=False).encode()
    assert post(user, raw).status_code == 200
    assert user.history()[1]["content"].encode() == text.encode()
    assert user.http.get("/api/v1/chat/conversations").json()["conversations"][0]["message_count"] == 2
    user.http.close()


@pytest.mark.parametrize("query", ["%00", "_", "ª²", "%CC%81", '"', "'", "*", "a*b", "NEAR(a b)", "a AND", "%25", "\\",
                                   "👨‍👩‍👧‍👦", "ﷺ" * 60, "-", "^x", "col:x", "(", "%F4%8F%BF%BF", "%ff"])  # fmt: skip
def test_no_search_word_is_an_operator(user: User, query: str) -> None:
    assert user.http.get(f"/api/v1/chat/conversations?query={query}").status_code == 200


# --- queries and headers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1/chat/history", "/api/v1/chat/conversations"])
@pytest.mark.parametrize(
    ("query", "field"),
    [*((f"limit={value}", "limit") for value in ("-1", "0", "1000000000", "1.5", "201", "", "ten", "1e3", "0x10", "NaN",
                                                 "9" * 5000, "%00", "true", "[1]")),
     *((f"cursor={value}", "cursor") for value in ("x", "AAAA", "A" * 28, "%00", "%F0%9F%92%A9", "=" * 28, "A" * 101,
                                                   "AAAAAAAAAAE_AAAAAAAAAAAAAAAA", "-1", "../../etc")),
     ("limit=1&limit=2", "limit"), ("unknown=1", "unknown"), ("owner=usr_0", "owner"), ("limit[]=1", "limit[]")],
)  # fmt: skip
def test_a_wrong_query_is_named(user: User, path: str, query: str, field: str) -> None:
    check_refusal(user.http.get(f"{path}?{query}"), 400, field)


def test_a_query_of_many_names_takes_no_time(box: RunningBox, user: User) -> None:
    query = "&".join(f"{number:x}=" for number in range(1300))
    refused = user.http.get(f"/api/v1/chat/history?{query}")
    check_refusal(refused, 400)
    assert server_ms(box, refused) <= 50


HOSTILE_IDS = ["x' OR 1=1 --", "../../etc/passwd", "${7*7}", "{{7*7}}", "conv_", "%", "_", "\0", "*", "null", "-1", "'",
               "conv_" + "0" * 32, "CONV_" + "0" * 32, "a" * 64, "💩", ""]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
def test_a_hostile_id_is_no_conversation(user: User, hostile: str) -> None:
    kept = len(user.history(limit=200))
    assert user.say("hello", conversation_id=hostile).status_code == 404
    for method in ("GET", "DELETE"):
        check_refusal(user.http.request(method, "/api/v1/chat/history", params={"conversation_id": hostile}), 404)
        path = "/api/v1/chat/conversations/" + "".join(f"%{byte:02x}" for byte in hostile.encode())
        check_refusal(user.http.request(method, path), 404)
    assert len(user.history(limit=200)) == kept


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb", "\x80key"])
def test_a_key_that_is_none_is_refused(user: User, key: str) -> None:
    check_refusal(user.http.post(MESSAGE, json={"message": "x"}, headers={b"Idempotency-Key": key.encode("latin-1")}),
                  400, "Idempotency-Key")  # fmt: skip


@pytest.mark.parametrize(
    "last", ["x", ":", "msg_0:5", "9" * 5000, "%s:-1", "%s:1e9", "%s:٣", "%s:" + "9" * 400, "\xff"]
)
def test_a_place_that_is_none_is_the_beginning(user: User, last: str) -> None:
    answer = user.say("say 2 words").json()
    place = last.replace("%s", answer["message_id"]).encode("utf-8" if "٣" in last else "latin-1")
    stream = f"/api/v1/chat/messages/{answer['message_id']}/stream"
    told = Events(user.http.get(stream, headers={b"Last-Event-ID": place}))
    assert told.response.status_code == 200 and told.text() == answer["response"]


@pytest.mark.parametrize("offset", ["-1", "1.5", "x", "", "9" * 5000])
def test_an_offset_that_is_none_is_named(user: User, offset: str) -> None:
    message_id = user.say("say 2 words").json()["message_id"]
    check_refusal(user.http.get(f"/api/v1/chat/messages/{message_id}/stream?offset={offset}"), 400, "offset")
