"""The supervisor on real processes: small Python programs that listen, die, or do not want to end."""

import asyncio
import os
import shlex
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from appliance.errors import YuError
from appliance.settings import CHECKOUT, read_settings
from appliance.supervisor import Supervisor
from appliance.supervisor.child import LOG_BYTES, News, Patience, State, last_words
from appliance.supervisor.guards import AlreadyUpError, PortTakenError, check_port, only_one
from appliance.supervisor.programs import API, Program, chosen_cards, plan
from tests.running import wait_until

QUICK = Patience(first_s=0.01, restarts=3, grace_s=10.0)

LISTENS = """
    import http.server, os, pathlib, socketserver, sys
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
        def address_string(self): return "-"
    pathlib.Path(sys.argv[1] + ".pid").write_text(str(os.getpid()))
    socketserver.UnixStreamServer(sys.argv[1], Answer).serve_forever()
"""
STUBBORN = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); open(sys.argv[1], 'w'); time.sleep(600)"
WAITS = "import sys, time; open(sys.argv[1], 'w'); time.sleep(600)"


class Told:
    """What the supervisor told, to wait for."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self._changed = asyncio.Event()

    def __call__(self, news: News) -> None:
        self.news.append(news)
        self._changed.set()

    @property
    def states(self) -> list[State]:
        return [news.state for news in self.news]

    async def until(self, state: State, times: int = 1) -> News:
        async with asyncio.timeout(15):
            while self.states.count(state) < times:
                self._changed.clear()
                await self._changed.wait()
        return [news for news in self.news if news.state is state][-1]


def program(folder: Path, code: str, name: str = "child") -> Program:
    place = folder / f"{name}.sock"
    return Program(name, (sys.executable, "-c", textwrap.dedent(code), str(place)), place)


@asynccontextmanager
async def supervised(folder: Path, *programs: Program, patience: Patience = QUICK) -> AsyncIterator[tuple]:
    told = Told()
    supervisor = Supervisor(programs, folder / "logs", told, patience)
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor, running, told
    finally:
        supervisor.stop()
        supervisor.stop()
        await asyncio.wait_for(running, 15)


def pid_of(folder: Path) -> int:
    return int((folder / "child.sock.pid").read_text())


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return False


async def until_file(file: Path) -> None:
    await asyncio.to_thread(wait_until, file.exists, 15, f"{file}")


async def test_a_program_is_ready_when_it_answers(tmp_path: Path) -> None:
    async with supervised(tmp_path, program(tmp_path, LISTENS)) as (_, _, told):
        await told.until(State.READY)
        assert told.states == [State.STARTING, State.READY]


async def test_a_program_that_dies_is_started_again_over_the_socket_it_left(tmp_path: Path) -> None:
    async with supervised(tmp_path, program(tmp_path, LISTENS)) as (_, _, told):
        await told.until(State.READY)
        os.kill(pid_of(tmp_path), signal.SIGKILL)
        assert (await told.until(State.DIED)).exit_code == -signal.SIGKILL
        await told.until(State.READY, times=2)


async def test_a_program_that_dies_too_often_is_left_down_and_its_last_words_are_told(tmp_path: Path) -> None:
    dies = program(tmp_path, "import sys; sys.exit('no such model')")
    async with supervised(tmp_path, dies) as (_, running, told):
        news = await told.until(State.DOWN)
        assert (news.exit_code, news.last_words) == (1, "no such model")
        assert told.states.count(State.STARTING) == QUICK.restarts + 1
        assert [round(each.after_s, 2) for each in told.news if each.state is State.DIED] == [0.01, 0.02, 0.04]
        assert not running.done()


async def test_a_program_that_cannot_be_executed_is_told_like_one_that_died(tmp_path: Path) -> None:
    absent = Program("absent", (str(tmp_path / "python"),), tmp_path / "absent.sock")
    async with supervised(tmp_path, absent) as (_, _, told):
        assert "No such file" in (await told.until(State.DOWN)).last_words


async def test_without_its_api_the_box_ends(tmp_path: Path) -> None:
    programs = program(tmp_path, "raise SystemExit(3)", API), program(tmp_path, WAITS, "other")
    async with supervised(tmp_path, *programs) as (_, running, _):
        assert await asyncio.wait_for(running, 15) is False


async def test_stopping_ends_all(tmp_path: Path) -> None:
    async with supervised(tmp_path, program(tmp_path, LISTENS)) as (supervisor, running, told):
        await told.until(State.READY)
        pid = pid_of(tmp_path)
        supervisor.stop()
        assert await asyncio.wait_for(running, 5) is True
        assert not is_alive(pid)


async def test_one_that_does_not_want_to_end_is_killed_after_the_grace(tmp_path: Path) -> None:
    stubborn = program(tmp_path, STUBBORN)
    async with supervised(tmp_path, stubborn, patience=Patience(grace_s=0.3)) as (supervisor, running, _):
        await until_file(stubborn.place)
        supervisor.stop()
        assert await asyncio.wait_for(running, 5) is True


async def test_told_twice_to_stop_it_does_not_wait(tmp_path: Path) -> None:
    stubborn = program(tmp_path, STUBBORN)
    async with supervised(tmp_path, stubborn, patience=Patience(grace_s=600)) as (supervisor, running, _):
        await until_file(stubborn.place)
        supervisor.stop()
        supervisor.stop()
        assert await asyncio.wait_for(running, 5) is True


async def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    parent = f"""
        import pathlib, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}, sys.argv[1] + ".started"])
        pathlib.Path(sys.argv[1] + ".pid").write_text(str(child.pid))
        time.sleep(600)
    """
    started = tmp_path / "child.sock.started"
    async with supervised(tmp_path, program(tmp_path, parent)) as (supervisor, running, _):
        await until_file(started)
        supervisor.stop()
        await asyncio.wait_for(running, 5)
    pid = pid_of(tmp_path)
    wait_until(lambda: not is_alive(pid), 5, "the grandchild's end")


async def test_the_children_of_a_killed_supervisor_end(tmp_path: Path) -> None:
    script = f"""
        import asyncio, pathlib, sys
        from appliance.supervisor import Supervisor
        from appliance.supervisor.programs import Program
        here = pathlib.Path({str(tmp_path)!r})
        waits = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
        program = Program("child", (sys.executable, "-c", waits, str(here / "pid")), here / "none")
        async def main():
            await Supervisor([program], here / "logs", lambda news: None).run()
        asyncio.run(main())
    """
    supervisor = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(script), cwd=CHECKOUT)
    pid_file = tmp_path / "pid"
    await asyncio.to_thread(wait_until, lambda: pid_file.exists() and pid_file.read_text(), 15, "the child's start")
    pid = int(pid_file.read_text())
    supervisor.kill()
    await supervisor.wait()
    wait_until(lambda: not is_alive(pid), 5, "the child's end")


async def test_a_large_log_is_put_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "child.log"
    log.parent.mkdir()
    with log.open("wb") as old:
        old.truncate(LOG_BYTES + 1)
    async with supervised(tmp_path, program(tmp_path, LISTENS)) as (_, _, told):
        await told.until(State.READY)
    assert (tmp_path / "logs" / "child.log.1").stat().st_size == LOG_BYTES + 1
    assert log.stat().st_size < LOG_BYTES
    assert log.stat().st_mode & 0o777 == 0o600


def test_last_words_of_a_json_log_are_its_message(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text('first\n{"level": "ERROR", "message": "the disk is full"}\n\n')
    assert last_words(log) == "the disk is full"
    assert last_words(tmp_path / "none.log") == ""


def test_the_base_profile_needs_its_four_engines_and_the_api(tmp_path: Path) -> None:
    chosen = plan(read_settings(tmp_path, profile="base", venvs={"engines": sys.executable}), ("--port", "0"))
    assert [each.name for each in chosen.programs] == [API, "espeak", "langid", "opencv", "tesseract"]
    assert chosen.programs[0].argv[-4:] == ("--data", str(tmp_path), "--port", "0")
    assert chosen.missing == ()


def test_somebody_elses_server_is_not_started(tmp_path: Path) -> None:
    remote = {"url": "http://127.0.0.1:11434", "model": "llama3"}
    settings = read_settings(tmp_path, profile="base", chains={"chat": [remote], "speak": [], "detect": [], "read": []})
    assert [card.name for card in chosen_cards(settings)] == ["langid"]


def test_the_language_model_is_slow_and_keeps_its_files_in_the_data_folder(tmp_path: Path) -> None:
    settings = read_settings(tmp_path, profile="micro", venvs={"llm": sys.executable, "engines": sys.executable})
    model = next(each for each in plan(settings).programs if each.name == "micro-chat")
    assert model.slow
    assert model.env["HOME"].startswith(str(tmp_path))


def test_a_missing_venv_names_the_command_that_makes_it(tmp_path: Path) -> None:
    nowhere = tmp_path / "venv" / "bin" / "python"
    settings = read_settings(tmp_path, profile="micro", venvs={"llm": nowhere, "engines": sys.executable})
    (missing,) = plan(settings).missing
    assert missing.name == "micro-chat"
    assert shlex.split(missing.repair) == [str(CHECKOUT / "scripts/setup"), "llm"]


@pytest.mark.parametrize("wrong", [{"profile": "golden"}, {"chains": {"speak": ["golden"]}}])
def test_what_there_is_not_is_named(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(YuError, match="golden"):
        plan(read_settings(tmp_path, **wrong))


def test_a_data_folder_too_deep_for_sockets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(YuError, match="shorter data folder"):
        plan(read_settings(tmp_path / ("deep" * 30), profile="base", venvs={"engines": sys.executable}))


def test_a_data_folder_has_one_box(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(AlreadyUpError, match="already up"), only_one(tmp_path):
        raise AssertionError("both are up")
    with only_one(tmp_path):
        assert (tmp_path / "up.lock").exists()


def test_a_taken_port_is_refused_with_the_option_that_helps() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTakenError, match="--port"):
        check_port("127.0.0.1", taken.getsockname()[1])
    check_port("127.0.0.1", 0)
    with pytest.raises(PortTakenError, match="--host"):
        check_port("203.0.113.1", 8080)
