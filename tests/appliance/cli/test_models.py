import json

from models.catalog import cards


def test_the_list_holds_every_card_and_says_which_run(yu, up) -> None:
    models = {
        row["name"]: row for row in json.loads(yu("models", "list", "--json", "--data", up.data).stdout)["models"]
    }
    assert set(models) == set(cards())
    assert models["espeak"]["running"] and models["espeak"]["installed"]
    assert not models["micro-chat"]["running"]


def test_the_table_is_for_one_task_where_one_is_named(yu, up, tmp_path) -> None:
    listed = yu("models", "list", "--task", "read", "--data", up.data)
    assert "tesseract" in listed.stdout and "running" in listed.stdout
    assert "espeak" not in listed.stdout
    assert "running" not in yu("models", "list", "--task", "read", "--data", tmp_path).stdout


def test_an_engine_without_its_venv_is_not_installed(yu, tmp_path) -> None:
    listed = yu("models", "list", "--task", "speak", "--data", tmp_path, YU_VENVS__ENGINES="/nonexistent/python")
    assert "not installed" in listed.stdout
