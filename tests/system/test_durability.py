import subprocess
from pathlib import Path

import pytest

from tests.killing import Record, cycle, lost
from tests.running import RunningBox, StubModel, wait_until

pytestmark = pytest.mark.system


def test_nothing_acknowledged_is_lost_when_the_api_is_killed(fresh_box: RunningBox) -> None:
    user, record = fresh_box.new_user(), Record()
    for seed in range(12):
        cycle(fresh_box, user.token, record, seed)
    assert len(record.acknowledged) > 50
    assert lost(fresh_box, user.token, record) == []
    user.http.close()


def test_an_answer_cut_by_a_kill_is_kept_as_far_as_it_came_and_marked(tmp_path: Path, slow_stub: StubModel) -> None:
    box = RunningBox(tmp_path / "data", {"chains": {"chat": [{"url": slow_stub.address, "model": "stub"}]}})
    user = box.new_user()
    with user.stream("say 500 words") as events:
        heard = 0
        for kind, _, _ in events:
            heard += kind == "token"
            if heard == 80:  # 1.6 s: kept at least once
                break
        box.kill()
    box.start()
    with box.client(user.token) as client:
        reply, question = client.get("/api/v1/chat/history").json()["messages"]
    assert question["content"] == "say 500 words"
    assert reply["status"] == "interrupted" and reply["content"].startswith("the quick brown")
    user.http.close()
    box.close()


def test_a_full_disk_is_a_clear_503_and_loses_nothing(tmp_path: Path, stub: StubModel) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", mount], check=True)
    try:
        box = RunningBox(mount / "data", {"chains": {"chat": [{"url": stub.address, "model": "stub"}]}})
        user = box.new_user()
        kept = [user.say(f"before {number}").json()["message_id"] for number in range(5)]
        filler = mount / "filler"
        with filler.open("wb") as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"x" * 65536)
                file.flush()
        refused = wait_until(
            lambda: next((a for _ in range(50) if (a := user.say("full " * 300)).status_code != 200), None)
        )
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "STORAGE_UNAVAILABLE"
        assert "Retry-After" in refused.headers
        filler.unlink()
        assert user.say("after").status_code == 200
        assert set(kept) <= {message["id"] for message in user.history(limit=200)}
        user.http.close()
        box.close()
    finally:
        subprocess.run(["umount", mount], check=True)


def test_sigterm_ends_within_its_grace_and_keeps_open_answers(tmp_path: Path, slow_stub: StubModel) -> None:
    box = RunningBox(tmp_path / "data", {"chains": {"chat": [{"url": slow_stub.address, "model": "stub"}]}})
    user = box.new_user()
    with user.stream("say 500 words") as events:
        kinds = iter(events)
        while next(kinds)[0] != "token":
            pass
        assert box.stop() == 0
    box.start()
    with box.client(user.token) as client:
        assert client.get("/api/v1/chat/history").json()["messages"][0]["status"] in ("stopped", "interrupted")
    user.http.close()
    box.close()
