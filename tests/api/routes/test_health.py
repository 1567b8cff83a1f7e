from tests.running import RunningBox, User


def test_health_needs_no_token_and_shows_strangers_no_engines(box: RunningBox) -> None:
    with box.client() as client:
        assert client.get("/health/live").json() == {"status": "ok"}
        assert client.get("/health/ready").json() == {"status": "ready", "engines": None}


def test_a_user_sees_which_engines_answer(box: RunningBox, user: User) -> None:
    engines = user.http.get("/health/ready").json()["engines"]
    assert engines["stub"] == {"status": "ok"}
