"""Whatever belongs to another answers exactly like what was never there, wherever its id is put."""

import re
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest

from api.principal import Who
from api.urls import SOCKET, URLS
from appliance.identity.links import Links
from appliance.store.keys import load_keys
from tests.attacks import check_refusal, without_ids
from tests.running import Events, RunningBox, User

OWNED = [url for url in URLS if "{" in url.path and url.who is Who.USER and url.method != SOCKET]
BODIES = {"PATCH": {"title": "taken over"}}


@pytest.fixture
def user(box: RunningBox) -> Iterator[User]:
    user = box.new_user()
    yield user
    user.http.close()


@pytest.fixture(scope="module")
def victim(box: RunningBox) -> Iterator[User]:
    user = box.new_user()
    user.say("a secret that nobody else may see")
    yield user
    user.http.close()


def ids_of(owner: User) -> dict[str, str]:
    reply, question = owner.history()[-2:]
    ids = {"conversation_id": reply["conversation_id"], "message_id": reply["id"], "file_id": "file_0"}
    return {**ids, "question_id": question["id"]}


def absent(identifier: str) -> str:
    return re.sub(r"_.*", "_" + "0" * 32, identifier)


def ask(client: httpx.Client, method: str, path: str, **more: object) -> tuple[int, dict]:
    return without_ids(client.request(method, path, **more))


@pytest.mark.parametrize("url", OWNED, ids=lambda url: f"{url.method} {url.path}")
def test_anothers_id_in_a_path_is_answered_like_an_absent_one(user: User, victim: User, url) -> None:
    body = {"json": BODIES[url.method]} if url.method in BODIES else {}
    kept, ids = victim.history(), ids_of(victim)
    answers = []
    for known in (ids, {name: absent(identifier) for name, identifier in ids.items()}):
        answers.append(ask(user.http, url.method, url.path.format(**known), **body))
    assert answers[0] == answers[1] and answers[0][0] == 404
    assert victim.history() == kept


def test_ids_of_every_kind_are_tried_in_every_path(user: User, victim: User) -> None:
    for url in OWNED:
        for identifier in (*ids_of(victim).values(), victim.id, user.id):
            path = re.sub(r"{\w+}", identifier, url.path)
            check_refusal(user.http.request(url.method, path, json=BODIES.get(url.method)), 404)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_anothers_conversation_in_a_query_is_answered_like_an_absent_one(user: User, victim: User, method: str) -> None:
    theirs = ids_of(victim)["conversation_id"]
    answers = [
        ask(user.http, method, "/api/v1/chat/history", params={"conversation_id": identifier})
        for identifier in (theirs, absent(theirs))
    ]
    assert answers[0] == answers[1] and answers[0][0] == 404
    assert victim.history()


@pytest.mark.parametrize("path", ["message", "stream"])
def test_anothers_conversation_in_a_body_is_answered_like_an_absent_one(user: User, victim: User, path: str) -> None:
    theirs, before = ids_of(victim)["conversation_id"], victim.history()
    answers = [
        ask(user.http, "POST", f"/api/v1/chat/{path}", json={"message": "mine now", "conversation_id": identifier})
        for identifier in (theirs, absent(theirs))
    ]
    assert answers[0] == answers[1] and answers[0][0] == 404
    assert victim.history() == before and user.history() == []


def test_anothers_message_cannot_be_gone_on_with_by_its_event_id(user: User, victim: User) -> None:
    theirs = ids_of(victim)["message_id"]
    mine = user.say("my own words").json()
    path = f"/api/v1/chat/messages/{mine['message_id']}/stream"
    told = Events(user.http.get(path, headers={"Last-Event-ID": f"{theirs}:3"}))
    assert told.text() == mine["response"]
    assert "secret" not in told.response.text and theirs not in told.response.text


def test_anothers_cursor_shows_nothing(user: User, victim: User) -> None:
    victim.say("a second secret")
    for path in ("/api/v1/chat/history", "/api/v1/chat/conversations"):
        cursor = victim.http.get(path, params={"limit": 1}).json()["next_cursor"]
        assert cursor and victim.http.get(path, params={"limit": 1, "cursor": cursor}).status_code == 200
        garbage = ask(user.http, "GET", path, params={"cursor": "A" * len(cursor)})
        assert ask(user.http, "GET", path, params={"cursor": cursor}) == garbage and garbage[0] == 400
        other = "/api/v1/chat/history" if path.endswith("conversations") else "/api/v1/chat/conversations"
        check_refusal(victim.http.get(other, params={"cursor": cursor}), 400, "cursor")
        conversation = {"conversation_id": ids_of(victim)["conversation_id"], "cursor": cursor}
        check_refusal(victim.http.get("/api/v1/chat/history", params=conversation), 400, "cursor")


def test_a_search_finds_only_ones_own_words(user: User, victim: User) -> None:
    victim.say("xylophone quartz")
    for query in ("xylophone", "quartz", "xylo", '"xylophone"', "x' OR 1=1", "%", "_"):
        found = user.http.get("/api/v1/chat/conversations", params={"query": query})
        assert found.status_code == 200 and found.json()["conversations"] == []
    assert (
        len(victim.http.get("/api/v1/chat/conversations", params={"query": "xylophone"}).json()["conversations"]) == 1
    )


def test_the_model_is_shown_ones_own_messages_alone(user: User, victim: User) -> None:
    assert "secret" not in user.say("show messages").json()["response"]


def test_a_key_of_another_is_a_key_of_ones_own(user: User, victim: User) -> None:
    theirs = victim.say("words under a key", key="the same key").json()
    mine = user.say("other words under it", key="the same key").json()
    assert mine["message_id"] != theirs["message_id"] and user.history()[1]["content"] == "other words under it"
    again = user.say("words under a key", key="the same key")
    assert check_refusal(again, 409)["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_deleting_everything_deletes_ones_own_alone(user: User, victim: User) -> None:
    before = victim.history()
    user.say("to be deleted")
    assert user.http.delete("/api/v1/chat/history").json() == {"deleted": 2}
    assert user.http.get("/api/v1/chat/history").json()["messages"] == []
    assert victim.history() == before


def test_an_admin_reads_nobodys_messages(box: RunningBox, victim: User) -> None:
    ids = ids_of(victim)
    with box.client(box.console_token) as admin:
        for url in OWNED:
            check_refusal(admin.request(url.method, url.path.format(**ids), json=BODIES.get(url.method)), 404)
        params = {"conversation_id": ids["conversation_id"]}
        check_refusal(admin.get("/api/v1/chat/history", params=params), 404)
        assert "secret" not in admin.get("/api/v1/chat/history", params={"limit": 200}).text


def test_a_link_opens_its_own_file_for_its_own_owner_in_its_own_time(box: RunningBox, user: User, victim: User) -> None:
    links, file_id = Links(load_keys(box.data).derive("links")), f"file_{'0' * 32}"
    good = links.make(victim.id, file_id)
    late = {**good, "expires": str(int(time.time()) - 1)}
    refusals = []
    for wrong in (
        good,  # rightly signed, for a file that is not there: what a link to anything else must look like
        {**good, "owner": user.id},
        {**good, "owner": f"{victim.id}\0"},
        {**good, "expires": str(int(good["expires"]) + 1)},
        {**good, "signature": good["signature"].upper()},
        {**good, "signature": ""},
        {**good, "signature": "0" * 64},
        late,
        {**good, "expires": "9" * 12},
        {**good, "expires": "٣" * 10},
    ):
        with box.client() as stranger:
            refused = stranger.get(f"/api/v1/files/{file_id}?{urlencode(wrong)}")
        check_refusal(refused, 404 if wrong["expires"].isascii() else refused.status_code)
        refusals.append(without_ids(refused)[0])
    assert set(refusals) <= {400, 404}
    for query in ("", "owner=a", "owner=a&expires=x&signature=b", "owner=a&expires=1&signature=b&x=1",
                  "owner=a&expires=-1&signature=b", f"owner={'a' * 129}&expires=1&signature=b"):  # fmt: skip
        check_refusal(user.http.get(f"/api/v1/files/{file_id}?{query}"), 400)
