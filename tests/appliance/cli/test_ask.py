import json
import signal
import subprocess

from tests.running import CHECKOUT, wait_until

from .conftest import YU, clean_environment


def test_the_answer_goes_to_stdout_and_nothing_else_does(yu, up) -> None:
    asked = yu("ask", "What is 12 * 12?", "--data", up.data)
    assert (asked.returncode, asked.stdout) == (0, "12 * 12 = 144.\n")


def test_a_question_comes_from_stdin_too(yu, up) -> None:
    assert yu("ask", "-", "--data", up.data, stdin="What is 2 + 3?").stdout == "2 + 3 = 5.\n"
    assert yu("ask", "-", "--data", up.data, stdin=" \n").returncode == 2


def test_continuing_stays_in_the_last_conversation(yu, up) -> None:
    first = json.loads(yu("ask", "What is 2 + 3?", "--json", "--data", up.data).stdout)
    second = json.loads(yu("ask", "What is 3 + 3?", "--continue", "--json", "--data", up.data).stdout)
    named = yu("ask", "x", "--conversation", first["conversation_id"], "--json", "--data", up.data)
    assert first["full_response"] == "2 + 3 = 5."
    assert second["conversation_id"] == first["conversation_id"] == json.loads(named.stdout)["conversation_id"]


def test_without_a_conversation_there_is_nothing_to_continue(yu, fresh_box) -> None:
    asked = yu("ask", "x", "--continue", "--data", fresh_box.data)
    assert asked.returncode == 1
    assert "no conversation yet" in asked.stderr


def test_an_answer_that_is_not_by_the_first_choice_says_so_on_stderr(yu, fresh_box, stub) -> None:
    stub.refuse(503)
    try:
        asked = yu("ask", "Tell me about the sea", "--data", fresh_box.data)
    finally:
        stub.refuse(0)
    assert asked.returncode == 0
    assert "not by this box's first choice" in asked.stderr
    assert "first choice" not in asked.stdout


def test_an_unknown_conversation_is_refused_in_the_words_of_the_box(yu, up) -> None:
    asked = yu("ask", "x", "--conversation", "conv_unknown", "--data", up.data)
    assert asked.returncode == 1
    assert asked.stdout == ""
    assert asked.stderr.strip()


def test_ctrl_c_stops_the_answer_on_the_box_too(slow_box, slow_stub) -> None:
    """The model writes a word every 20 ms."""
    before = slow_stub.stats()["disconnected"]
    command = [YU, "ask", "say 1000 words", "--data", str(slow_box.data)]
    asked = subprocess.Popen(command, stdout=subprocess.PIPE, env=clean_environment(), cwd=CHECKOUT)
    assert asked.stdout
    with asked.stdout:
        assert asked.stdout.read(5)
        asked.send_signal(signal.SIGINT)
        assert asked.wait(10) == 130
    wait_until(lambda: slow_stub.stats()["active"] == 0, 10, "the model's end")
    assert slow_stub.stats()["disconnected"] == before + 1
