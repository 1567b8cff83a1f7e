from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import RunningBox, StubModel, User


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubModel]:
    """A language model that answers at once."""
    stub = StubModel(tmp_path_factory.mktemp("stub") / "llm.sock")
    yield stub
    stub.close()


@pytest.fixture(scope="session")
def slow_stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubModel]:
    """A language model that writes a word every 20 ms."""
    stub = StubModel(tmp_path_factory.mktemp("slow") / "llm.sock", interval_ms=20)
    yield stub
    stub.close()


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory, stub: StubModel) -> Iterator[RunningBox]:
    """One box for all tests that share: each brings users of its own."""
    box = RunningBox(tmp_path_factory.mktemp("box") / "data", {"chains": chat_by(stub)})
    yield box
    box.close()


@pytest.fixture(scope="session")
def slow_box(tmp_path_factory: pytest.TempPathFactory, slow_stub: StubModel) -> Iterator[RunningBox]:
    box = RunningBox(tmp_path_factory.mktemp("slow-box") / "data", {"chains": chat_by(slow_stub)})
    yield box
    box.close()


@pytest.fixture
def fresh_box(tmp_path: Path, stub: StubModel) -> Iterator[RunningBox]:
    """A box of the test's own, to claim, kill or fill."""
    box = RunningBox(tmp_path / "data", {"chains": chat_by(stub)})
    yield box
    box.close()


@pytest.fixture
def user(box: RunningBox) -> Iterator[User]:
    user = box.new_user()
    yield user
    user.http.close()


@pytest.fixture
def other(box: RunningBox) -> Iterator[User]:
    user = box.new_user()
    yield user
    user.http.close()


def chat_by(stub: StubModel) -> dict[str, list[dict[str, str]]]:
    return {"chat": [{"url": stub.address, "model": "stub"}]}
