from appliance.assistant.window import estimated_tokens, window


def test_the_newest_that_fits_is_kept_in_its_order() -> None:
    earlier = [("user", "a" * 300), ("assistant", "b" * 30), ("user", "c" * 30)]
    room = estimated_tokens("system") + estimated_tokens("question") + 2 * estimated_tokens("b" * 30)
    shown = window("system", earlier, "question", room)
    assert [message["content"] for message in shown] == ["system", "b" * 30, "c" * 30, "question"]
    assert [message["role"] for message in shown] == ["system", "assistant", "user", "user"]


def test_the_question_is_shown_even_where_nothing_else_fits() -> None:
    shown = window("system", [("user", "before")], "q" * 9000, 100)
    assert [message["role"] for message in shown] == ["system", "user"]


def test_letters_that_take_more_bytes_count_more() -> None:
    assert estimated_tokens("日本語" * 10) > estimated_tokens("abc" * 10)
