from pathlib import Path

from models.card import Card, Source
from models.tasks import Task
from serving.vllm_command import GIB, Command, vllm_command


def command(folder: Path = Path("/models/one"), cpu: bool = True, **options: object) -> Command:
    card = Card("one", (Task.CHAT,), "vllm", "Apache-2.0", True, "", Source("bundled"), options=options)
    return vllm_command(card, folder, Path("/run/yu/one.sock"), Path("/venv/bin/python"), cpu, Path("/var/cache/yu"))


def value(command: Command, flag: str) -> str:
    return command.argv[command.argv.index(flag) + 1]


def test_it_listens_on_the_socket_alone() -> None:
    argv = command().argv
    assert argv[:3] == ("/venv/bin/python", "-m", "vllm.entrypoints.openai.api_server")
    assert value(command(), "--uds") == "/run/yu/one.sock"
    assert not {"--host", "--port"} & set(argv)


def test_the_card_names_the_model() -> None:
    assert value(command(), "--served-model-name") == "one"
    assert value(command(), "--model") == "/models/one"


def test_nothing_leaves_the_box() -> None:
    made = command()
    for switch in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        assert made.env[switch] == "1"
    assert "/" in value(made, "--allowed-media-domains")  # which no host has: every URL is refused
    assert "--allowed-local-media-path" not in made.argv


def test_prompts_stay_out_of_the_log() -> None:
    assert {"--no-enable-log-requests", "--disable-uvicorn-access-log"} <= set(command().argv)


def test_the_cards_options_become_flags() -> None:
    made = command(max_model_len=2048, dtype="float32", tensor_parallel=2, max_num_seqs=8, tool_call_parser="hermes")
    assert value(made, "--max-model-len") == "2048"
    assert value(made, "--dtype") == "float32"
    assert value(made, "--tensor-parallel-size") == "2"
    assert value(made, "--max-num-seqs") == "8"
    assert value(made, "--tool-call-parser") == "hermes"
    assert "--enable-auto-tool-choice" in made.argv


def test_switches_are_left_to_vllm_unless_the_card_says() -> None:
    assert "--enable-prefix-caching" in command(prefix_caching=True).argv
    assert "--no-enable-chunked-prefill" in command(chunked_prefill=False).argv
    assert not [flag for flag in command().argv if "prefix-caching" in flag or "chunked-prefill" in flag]


def test_adapters_are_served_under_their_own_names() -> None:
    made = command(lora={"legal": "adapters/legal"})
    assert "--enable-lora" in made.argv
    assert value(made, "--lora-modules") == "legal=/models/one/adapters/legal"


def test_without_a_gpu_the_cache_is_small_or_as_the_card_says() -> None:
    assert value(command(gpu_memory_gib=40), "--kv-cache-memory-bytes") == str(GIB)
    assert value(command(kv_cache_gib=0.5), "--kv-cache-memory-bytes") == str(GIB // 2)
    assert "--enforce-eager" in command().argv


def test_on_a_gpu_the_cache_is_what_the_weights_leave_of_the_models_share(tmp_path: Path) -> None:
    with (tmp_path / "model.safetensors").open("wb") as weights:
        weights.truncate(4 * GIB)
    made = command(tmp_path, cpu=False, gpu_memory_gib=10, tensor_parallel=2)
    assert value(made, "--kv-cache-memory-bytes") == str(6 * GIB)
    assert "--enforce-eager" not in made.argv


def test_on_a_gpu_without_a_share_vllm_decides() -> None:
    assert not [flag for flag in command(cpu=False).argv if "memory" in flag]


def test_everything_kept_lies_below_the_cache() -> None:
    kept = [kept for name, kept in command().env.items() if name.endswith(("HOME", "ROOT", "_DIR", "_PATH", "_BASE"))]
    assert len(kept) >= 8
    assert all(Path(path).is_relative_to("/var/cache/yu") for path in kept)
