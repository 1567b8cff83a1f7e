import asyncio
import json
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.running import Events, RunningBox, StubModel, User, wait_until


def test_a_message_is_answered_and_both_are_kept(user: User) -> None:
    answer = user.say("Good morning").json()
    assert answer["response"] == "You said: Good morning"
    assert answer["model"] == "stub" and answer["degraded"] is False and answer["status"] == "complete"
    assert answer["tokens_used"] == 13
    reply, question = user.history(conversation_id=answer["conversation_id"])
    assert (question["role"], question["content"]) == ("user", "Good morning")
    assert (reply["id"], reply["content"]) == (answer["message_id"], "You said: Good morning")


def test_a_stream_brings_the_tokens_one_by_one_and_then_the_whole(user: User) -> None:
    with user.stream("say 5 words") as events:
        assert events.response.headers["x-accel-buffering"] == "no"
        kinds = list(events)
    assert [kind for kind, *_ in kinds] == ["start", *["token"] * (len(kinds) - 2), "complete"]
    text = "".join(data for kind, data, _ in kinds if kind == "token")
    assert text == "the quick brown fox jumps "
    assert kinds[-1][1]["full_response"] == text


def test_a_conversation_is_shown_to_the_model_with_its_personality(user: User) -> None:
    first = user.say("My name is Ada", personality="expert").json()
    second = user.say("show messages", conversation_id=first["conversation_id"]).json()
    seen = json.loads(second["response"])
    assert [message["role"] for message in seen] == ["system", "user", "assistant", "user"]
    assert seen[0]["content"].startswith("You are Yu, an expert AI assistant.")
    assert seen[1]["content"] == "My name is Ada"


@pytest.mark.parametrize("personality", ["assistant", "friend", "expert", "minimalist"])
def test_each_personality_has_its_prompt(user: User, personality: str) -> None:
    system = json.loads(user.say("show messages", personality=personality).json()["response"])[0]["content"]
    word = {"assistant": "professional", "friend": "friendly", "expert": "technical", "minimalist": "minimalist"}
    assert word[personality] in system


def test_the_window_holds_twenty_messages_at_most(user: User) -> None:
    conversation = user.say("say 1 words").json()["conversation_id"]
    for number in range(12):
        user.say(f"number {number}", conversation_id=conversation)
    seen = json.loads(user.say("show messages", conversation_id=conversation).json()["response"])
    assert len(seen) == 1 + 20
    assert seen[-2]["content"] == "You said: number 11"


def test_the_window_holds_eight_thousand_tokens_at_most(user: User) -> None:
    conversation = user.say("say 1 words").json()["conversation_id"]
    for _ in range(3):
        user.say("long " * 2400, conversation_id=conversation)
    seen = json.loads(user.say("show messages", conversation_id=conversation).json()["response"])
    assert sum(len(message["content"]) for message in seen) < 8192 * 3
    assert seen[0]["role"] == "system" and seen[-1]["content"] == "show messages"


def test_a_model_that_calls_a_tool_gets_its_result_and_answers(user: User) -> None:
    answer = user.say('call calculate {"expression": "6 * 7"}').json()
    assert answer["response"] == "6 * 7 = 42."


def test_a_tool_that_cannot_is_told_to_the_model_and_not_to_the_log_alone(user: User) -> None:
    assert "could not" in user.say('call calculate {"expression": "__import__"}').json()["response"]
    assert "no tool" in user.say("call nonsense {}").json()["response"]
    assert "could not" in user.say("call calculate {not json").json()["response"]


def test_a_model_that_refuses_tools_is_asked_without_them(fresh_box: RunningBox, stub: StubModel) -> None:
    user = fresh_box.new_user()
    asked = stub.stats()["requests"]
    assert user.say("without tools").json()["response"] == "You said: without tools"
    assert user.say("without tools").json()["degraded"] is False
    assert stub.stats()["requests"] == asked + 3  # refused once, then known
    user.http.close()


def test_the_same_key_twice_is_one_message(user: User, stub: StubModel) -> None:
    first = user.say("once only", key="k1").json()
    asked = stub.stats()["requests"]
    again = user.say("once only", key="k1").json()
    assert again == first
    assert stub.stats()["requests"] == asked
    assert len(user.history()) == 2


@pytest.mark.parametrize("text", ["say 3 words", "cut after 2 words"])
def test_many_at_once_with_one_key_are_one_message_asked_of_the_model_once(
    fresh_box: RunningBox, stub: StubModel, text: str
) -> None:
    user = fresh_box.new_user()

    async def at_once() -> set[str]:
        headers = {"Authorization": f"Bearer {user.token}", "Idempotency-Key": "k"}
        async with httpx.AsyncClient(base_url=fresh_box.url, headers=headers, timeout=30) as client:
            body = {"message": text}
            return {a.text.partition('"request_id"')[0] for a in await asyncio.gather(*(
                client.post("/api/v1/chat/message", json=body) for _ in range(8)
            ))}  # fmt: skip

    for _ in range(3):  # after a failure the next ones ask again: together, once
        asked = stub.stats()["requests"]
        assert len(asyncio.run(at_once())) == 1
        assert stub.stats()["requests"] <= asked + 2  # one that comes when it has failed asks again
    assert len(user.history()) == 2
    user.http.close()


def test_a_key_of_another_message_is_a_conflict(user: User) -> None:
    user.say("one", key="k1")
    refused = user.say("two", key="k1")
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_a_key_is_its_users_own(user: User, other: User) -> None:
    mine = user.say("mine", key="shared").json()
    theirs = other.say("theirs", key="shared").json()
    assert theirs["response"] == "You said: theirs"
    assert theirs["message_id"] != mine["message_id"]


def test_a_reader_who_leaves_stops_the_model_within_a_second(slow_box: RunningBox, slow_stub: StubModel) -> None:
    user = slow_box.new_user()
    before = slow_stub.stats()["disconnected"]
    with user.stream("say 500 words") as events:
        kinds = iter(events)
        assert [next(kinds)[0] for _ in range(4)] == ["start", "token", "token", "token"]
    left = time.monotonic()
    wait_until(lambda: slow_stub.stats()["disconnected"] == before + 1, 2, "the model's release")
    assert time.monotonic() - left <= 1.0
    reply = wait_until(lambda: next(m for m in user.history() if m["role"] == "assistant" and m["status"] == "stopped"))
    assert reply["content"].startswith("the quick brown")
    user.http.close()


def test_a_client_that_gives_up_on_a_whole_answer_stops_the_model(slow_box: RunningBox, slow_stub: StubModel) -> None:
    user = slow_box.new_user()
    before = slow_stub.stats()["disconnected"]
    with pytest.raises(httpx.ReadTimeout):
        user.http.post("/api/v1/chat/message", json={"message": "say 500 words"}, timeout=0.3)
    wait_until(lambda: slow_stub.stats()["disconnected"] == before + 1, 2, "the model's release")
    user.http.close()


def test_a_dropped_stream_goes_on_where_it_broke_without_a_second_generation(
    slow_box: RunningBox, slow_stub: StubModel
) -> None:
    user = slow_box.new_user()
    requests = slow_stub.stats()["requests"]
    heard, last_id = "", ""
    with user.stream("say 40 words") as events:
        for kind, data, event_id in events:
            heard, last_id = heard + (data if kind == "token" else ""), event_id
            if heard.count(" ") == 10:
                break
    message_id = last_id.partition(":")[0]
    with user.http.stream(
        "GET", f"/api/v1/chat/messages/{message_id}/stream", headers={"Last-Event-ID": last_id}
    ) as response:
        rest = list(Events(response))
    heard += "".join(data for kind, data, _ in rest if kind == "token")
    assert rest[-1][0] == "complete" and rest[-1][1]["full_response"] == heard
    assert heard.count(" ") == 40
    assert slow_stub.stats()["requests"] == requests + 1
    user.http.close()


def test_an_answer_can_be_asked_to_finish_unread(slow_box: RunningBox) -> None:
    user = slow_box.new_user()
    with user.stream("say 60 words", on_disconnect="finish") as events:
        next(iter(events))
    reply = wait_until(
        lambda: next((m for m in user.history() if m["status"] == "complete" and m["role"] == "assistant"), None)
    )
    assert reply["content"].count(" ") == 60
    user.http.close()


def test_stop_ends_the_answer_and_keeps_what_there_is(slow_box: RunningBox) -> None:
    user = slow_box.new_user()
    with user.stream("say 500 words") as events:
        kinds = iter(events)
        message_id = next(kinds)[1]["message_id"]
        next(kinds)
        with slow_box.client(user.token) as second:
            assert second.post(f"/api/v1/chat/messages/{message_id}/stop").status_code == 204
        rest = list(kinds)
    assert rest[-1][0] == "complete" and rest[-1][1]["status"] == "stopped"
    assert user.history()[0]["content"] == rest[-1][1]["full_response"]
    user.http.close()


def test_another_users_answer_does_not_exist(user: User, other: User) -> None:
    theirs = other.say("secret").json()
    for method, path in (
        ("GET", f"/api/v1/chat/messages/{theirs['message_id']}/stream"),
        ("POST", f"/api/v1/chat/messages/{theirs['message_id']}/stop"),
        ("GET", f"/api/v1/chat/conversations/{theirs['conversation_id']}"),
        ("DELETE", f"/api/v1/chat/conversations/{theirs['conversation_id']}"),
        ("GET", f"/api/v1/chat/history?conversation_id={theirs['conversation_id']}"),
        ("DELETE", f"/api/v1/chat/history?conversation_id={theirs['conversation_id']}"),
    ):
        foreign = user.http.request(method, path)
        absent = user.http.request(method, path.replace("msg_", "msg_0").replace("conv_", "conv_0"))
        assert foreign.status_code == absent.status_code == 404
        hidden = ("request_id", "timestamp")
        bodies = [{k: v for k, v in r.json()["error"].items() if k not in hidden} for r in (foreign, absent)]
        assert bodies[0] == bodies[1]
    assert user.say("hello", conversation_id=theirs["conversation_id"]).status_code == 404
    assert len(other.history()) == 2


def test_a_model_that_breaks_off_leaves_a_marked_answer_and_an_error(user: User) -> None:
    with user.stream("cut after 3 words") as events:
        kinds = list(events)
    assert kinds[-1][0] == "error" and kinds[-1][1]["code"] == "SERVICE_UNAVAILABLE"
    reply = user.history()[0]
    assert reply["status"] == "interrupted" and reply["content"] == "the quick brown "


def test_a_broken_answer_is_asked_for_again_with_the_same_key(user: User, stub: StubModel) -> None:
    assert user.say("cut after 2 words", key="again").status_code == 503
    asked = stub.stats()["requests"]
    user.say("cut after 2 words", key="again")
    assert stub.stats()["requests"] == asked + 1
    assert len(user.history()) == 2


def test_a_failing_model_is_replaced_by_the_boxs_own_skills(fresh_box: RunningBox, stub: StubModel) -> None:
    user = fresh_box.new_user()
    answer = user.say("fail 500").json()
    assert answer["model"] == "yu-skills" and answer["degraded"] is True
    assert "does not answer now" in answer["response"]
    user.http.close()


def test_garbage_from_the_model_reaches_nobody(fresh_box: RunningBox) -> None:
    user = fresh_box.new_user()  # a box of its own: failures in a row open the breaker
    answer = user.say("garbage").json()
    assert answer["degraded"] is True and "not json" not in answer["response"]
    user.http.close()


def test_without_a_language_model_the_box_says_so_and_what_it_can_do(person: User) -> None:
    answer = person.say("Write me a poem").json()
    assert answer["model"] == "yu-skills" and answer["degraded"] is True
    assert "No language model is installed" in answer["response"] and "What is 12 * 12?" in answer["response"]


# --- over the WebSocket -----------------------------------------------------------------------------------------------


def open_socket(box: RunningBox, user: User, **more: object):
    headers = {"Authorization": f"Bearer {user.token}", **more.pop("headers", {})}
    return connect(f"ws://127.0.0.1:{box.port}/api/v1/chat/stream", additional_headers=headers, **more)


def frames_until(socket, last: str) -> list[dict]:
    frames = [json.loads(socket.recv(timeout=10))]
    while frames[-1]["type"] != last:
        frames.append(json.loads(socket.recv(timeout=10)))
    return frames


def test_the_socket_speaks_the_specifications_frames(box: RunningBox, user: User) -> None:
    with open_socket(box, user) as socket:
        socket.send(json.dumps({"type": "message", "data": {"message": "say 2 words"}}))
        frames = frames_until(socket, "complete")
    tokens = [frame["data"] for frame in frames if frame["type"] == "token"]
    assert "".join(tokens) == "the quick "
    assert frames[-1]["data"]["full_response"] == "the quick "
    assert frames[-1]["data"]["message_id"] == frames[0]["data"]["message_id"]


def test_messages_on_one_socket_are_answered_in_turn_and_the_surplus_is_refused(
    slow_box: RunningBox,
) -> None:
    user = slow_box.new_user()
    with open_socket(slow_box, user) as socket:
        for number in range(100):
            socket.send(json.dumps({"type": "message", "data": {"message": f"say {number % 2 + 1} words"}}))
        refused = [json.loads(socket.recv(timeout=10)) for _ in range(5)]
        while sum(frame["type"] == "complete" for frame in refused) < 9:
            refused.append(json.loads(socket.recv(timeout=10)))
    errors = [frame for frame in refused if frame["type"] == "error"]
    assert len(errors) >= 90 and {frame["data"]["code"] for frame in errors} == {"TOO_MANY_REQUESTS"}
    user.http.close()


def test_stop_overtakes_on_the_socket(slow_box: RunningBox) -> None:
    user = slow_box.new_user()
    with open_socket(slow_box, user) as socket:
        socket.send(json.dumps({"type": "message", "data": {"message": "say 500 words"}}))
        begun = frames_until(socket, "token")[0]
        socket.send(json.dumps({"type": "stop", "data": {"message_id": begun["data"]["message_id"]}}))
        assert frames_until(socket, "complete")[-1]["data"]["status"] == "stopped"
    user.http.close()


def test_a_socket_resumes_an_answer_at_an_offset(box: RunningBox, user: User) -> None:
    message_id = user.say("say 5 words").json()["message_id"]
    with open_socket(box, user) as socket:
        socket.send(json.dumps({"type": "resume", "data": {"message_id": message_id, "offset": 10}}))
        frames = frames_until(socket, "complete")
    assert frames[1]["data"] == "brown fox jumps " and frames[1]["offset"] == 26


@pytest.mark.parametrize(
    "frame",
    ["", "null", "[]", "{}", '{"type":"root"}', '{"type":"message"}', '{"type":"message","data":{"message":1}}',
     '{"type":"message","data":{"message":"x","role":"system"}}', '{"type":"stop","data":{"message_id":"msg_0"}}'],
)  # fmt: skip
def test_a_bad_frame_gets_an_error_frame_and_the_socket_goes_on(box: RunningBox, user: User, frame: str) -> None:
    with open_socket(box, user) as socket:
        socket.send(frame)
        assert json.loads(socket.recv(timeout=10))["type"] == "error"
        socket.send(json.dumps({"type": "message", "data": {"message": "still there?"}}))
        assert frames_until(socket, "complete")[-1]["data"]["full_response"] == "You said: still there?"


def test_logging_out_closes_the_socket_within_a_second(box: RunningBox, user: User) -> None:
    with open_socket(box, user) as socket:
        user.http.post("/api/v1/auth/logout")
        begun = time.monotonic()
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=5)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401
    assert time.monotonic() - begun <= 1.0


def test_logging_out_ends_an_open_stream_within_a_second(slow_box: RunningBox) -> None:
    user = slow_box.new_user()
    with user.stream("say 500 words") as events:
        kinds = iter(events)
        next(kinds)
        with slow_box.client(user.token) as second:
            second.post("/api/v1/auth/logout")
        begun = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in kinds:
                assert time.monotonic() - begun <= 1.0
    user.http.close()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost", "https://127.0.0.1.evil"])
def test_a_page_of_another_origin_is_refused_before_the_upgrade(box: RunningBox, user: User, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused, open_socket(box, user, headers={"Origin": origin}):
        pass
    assert refused.value.response.status_code == 403


def test_a_browser_on_the_boxs_own_page_brings_its_token_as_a_protocol(box: RunningBox, user: User) -> None:
    protocols = ["yu.v1", f"bearer.{user.token}"]
    url = f"ws://127.0.0.1:{box.port}/api/v1/chat/stream"
    with connect(url, subprotocols=protocols, origin=box.url) as socket:
        assert socket.subprotocol == "yu.v1"


def test_a_socket_without_a_token_is_refused_with_the_usual_body(box: RunningBox) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{box.port}/api/v1/chat/stream"):
        pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["code"] == "UNAUTHORIZED"


def test_a_frame_too_large_closes_the_socket_with_1009(box: RunningBox, user: User) -> None:
    with open_socket(box, user) as socket:
        socket.send("x" * (1 << 20))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
