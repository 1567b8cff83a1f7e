import pytest

from tests.running import User


def conversations(user: User, **query: object) -> list[dict]:
    return user.http.get("/api/v1/chat/conversations", params=query).json()["conversations"]


def test_a_conversation_is_named_after_its_first_message(user: User) -> None:
    user.say("Plan a trip to the mountains with two small children and a dog in early spring")
    (found,) = conversations(user)
    assert found["title"] == "Plan a trip to the mountains with two small children and a…"
    assert found["message_count"] == 2 and found["personality"] == "friend"


def test_the_most_recently_used_comes_first(user: User) -> None:
    first = user.say("first").json()["conversation_id"]
    second = user.say("second").json()["conversation_id"]
    assert [item["id"] for item in conversations(user)] == [second, first]
    user.say("again", conversation_id=first)
    assert [item["id"] for item in conversations(user)] == [first, second]


def test_title_and_personality_can_be_changed(user: User) -> None:
    conversation = user.say("hello").json()["conversation_id"]
    path = f"/api/v1/chat/conversations/{conversation}"
    changed = user.http.patch(path, json={"title": "  Greetings ", "personality": "expert"}).json()
    assert (changed["title"], changed["personality"]) == ("Greetings", "expert")
    assert user.http.get(path).json() == changed
    assert user.http.patch(path, json={"title": " "}).status_code == 400
    assert "expert" in user.say("show messages", conversation_id=conversation).json()["response"]


@pytest.mark.parametrize("query", ["lighthouse", "LIGHTHOUSE", "light", "keeper light", 'light"', "naïve", "naive"])
def test_search_finds_words_in_messages(user: User, query: str) -> None:
    wanted = user.say("The keeper of the lighthouse was naïve").json()["conversation_id"]
    user.say("Nothing to see")
    assert [item["id"] for item in conversations(user, query=query)] == [wanted]


@pytest.mark.parametrize("query", ["volcano", '" OR 1=1 --', "NEAR(", "*", "%"])
def test_search_obeys_no_operators(user: User, query: str) -> None:
    user.say("The keeper of the lighthouse")
    answer = user.http.get("/api/v1/chat/conversations", params={"query": query})
    assert answer.status_code == 200
    if query not in ("*", "%"):  # no words in it: nothing is searched for, all are listed
        assert answer.json()["conversations"] == []


def test_search_sees_only_ones_own(user: User, other: User) -> None:
    other.say("my secret pangolin")
    assert conversations(user, query="pangolin") == []


def test_history_is_read_page_by_page_and_nothing_twice(user: User) -> None:
    conversation = user.say("number 0").json()["conversation_id"]
    for number in range(1, 6):
        user.say(f"number {number}", conversation_id=conversation)
    seen, cursor = [], None
    while True:
        query = {"limit": 5, "conversation_id": conversation} | ({"cursor": cursor} if cursor else {})
        page = user.http.get("/api/v1/chat/history", params=query).json()
        seen += [message["content"] for message in page["messages"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [text for number in range(5, -1, -1) for text in (f"You said: number {number}", f"number {number}")]


def test_a_cursor_belongs_to_its_owner_and_its_list(user: User, other: User) -> None:
    for person in (user, other):
        for number in range(3):
            person.say(f"number {number}")
    mine = user.http.get("/api/v1/chat/history", params={"limit": 2}).json()["next_cursor"]
    assert user.http.get("/api/v1/chat/history", params={"limit": 2, "cursor": mine}).status_code == 200
    assert other.http.get("/api/v1/chat/history", params={"limit": 2, "cursor": mine}).status_code == 400
    assert user.http.get("/api/v1/chat/conversations", params={"limit": 2, "cursor": mine}).status_code == 400


def test_deleting_one_conversation_leaves_the_others(user: User) -> None:
    first = user.say("first").json()["conversation_id"]
    second = user.say("second").json()["conversation_id"]
    gone = user.http.delete("/api/v1/chat/history", params={"conversation_id": first})
    assert gone.json() == {"deleted": 2}
    assert [item["id"] for item in conversations(user)] == [second]
    assert user.http.get("/api/v1/chat/history", params={"conversation_id": first}).status_code == 404
    assert conversations(user, query="first") == []


def test_clearing_the_history_takes_all_of_ones_own_and_nothing_else(user: User, other: User) -> None:
    user.say("one")
    user.say("two")
    other.say("three")
    assert user.http.delete("/api/v1/chat/history").json() == {"deleted": 4}
    assert user.history() == [] and len(other.history()) == 2
