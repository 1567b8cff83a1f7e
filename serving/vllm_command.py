"""A model card as the command that serves it: vLLM's OpenAI server on a UNIX socket, told to keep to itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.card import Card

GIB = 1024**3
CPU_KV_CACHE_GIB = 1.0
# What vLLM needs beside weights and KV cache: activations, CUDA graphs, its libraries.
GPU_OVERHEAD_GIB = 2.0

# An empty list would allow every host, and a host that does not exist is still looked up. No URL's host has a slash,
# so all are refused and only `data:` images come through.
NO_MEDIA_HOST = "data/only"

QUIET = {
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    "FLASHINFER_CUBINS_REPOSITORY": "http://127.0.0.1:9",  # asked at start on a GPU, to see whether it answers
    "VLLM_HOST_IP": "127.0.0.1",  # else it opens a UDP socket towards a public address to learn its own
    "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "75",  # longer than clients keep idle connections: they meet no closed one
    "VLLM_SERVER_DEV_MODE": "0",  # /sleep, /reset_prefix_cache and friends are not for users
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_LOGGING_COLOR": "0",
}

# The model is its folder and nothing else; prompts stay out of the log.
STEADY = (
    *("--generation-config", "vllm"),
    *("--allowed-media-domains", NO_MEDIA_HOST),
    "--no-enable-log-requests",
    "--disable-uvicorn-access-log",
    "--disable-fastapi-docs",
)

NUMBERS = {
    "max_model_len": "--max-model-len",
    "dtype": "--dtype",
    "tensor_parallel": "--tensor-parallel-size",
    "max_num_seqs": "--max-num-seqs",
}
SWITCHES = {
    "chunked_prefill": ("--enable-chunked-prefill", "--no-enable-chunked-prefill"),
    "prefix_caching": ("--enable-prefix-caching", "--no-enable-prefix-caching"),
}


@dataclass(frozen=True)
class Command:
    """`env` is added to the surrounding one."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


def vllm_command(card: Card, folder: Path, socket: Path, python: Path, cpu: bool, cache: Path) -> Command:
    """`python` is that of a venv with vLLM; whatever vLLM compiles or remembers lies below `cache`."""
    argv = (
        # `vllm serve` asks for the package `vllm`, which the CPU build does not have by that name.
        *(str(python), "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(folder), "--served-model-name", card.name, "--uds", str(socket)),
        *STEADY,
        *_options(card.options),
        *_memory(card.options, folder, cpu),
        *_adapters(card.options, folder),
        *(("--enforce-eager",) if cpu else ()),
    )
    return Command(argv, {**QUIET, **_caches(cache), **(_cpu_env() if cpu else {})})


def _options(options: Mapping[str, object]) -> Iterator[str]:
    for name, flag in NUMBERS.items():
        if name in options:
            yield from (flag, str(options[name]))
    for name, (on, off) in SWITCHES.items():
        if name in options:
            yield on if options[name] else off
    if "tool_call_parser" in options:
        yield from ("--enable-auto-tool-choice", "--tool-call-parser", str(options["tool_call_parser"]))


def _memory(options: Mapping[str, object], folder: Path, cpu: bool) -> Iterator[str]:
    kv_cache_gib = _kv_cache_gib(options, folder, cpu)
    if kv_cache_gib is None:
        return
    yield from ("--kv-cache-memory-bytes", str(int(kv_cache_gib * GIB)))
    if not cpu:
        # Ignored beside an exact KV cache, but vLLM still refuses to start unless this share of the GPU is free.
        yield from ("--gpu-memory-utilization", "0.01")


def _kv_cache_gib(options: Mapping[str, object], folder: Path, cpu: bool) -> float | None:
    """Of each GPU. `gpu_memory_gib` is all that the model may take; what the weights leave is cache."""
    if "kv_cache_gib" in options:
        return _number(options["kv_cache_gib"])
    if cpu:
        return CPU_KV_CACHE_GIB
    if "gpu_memory_gib" not in options:
        return None
    weights_gib = sum(file.stat().st_size for file in folder.glob("*.safetensors")) / GIB
    shards = _number(options.get("tensor_parallel", 1))
    return _number(options["gpu_memory_gib"]) - weights_gib / shards - GPU_OVERHEAD_GIB


def _number(value: object) -> float:
    return float(str(value))


def _adapters(options: Mapping[str, object], folder: Path) -> Iterator[str]:
    adapters = options.get("lora")
    if isinstance(adapters, Mapping) and adapters:
        yield from ("--enable-lora", "--max-loras", str(len(adapters)), "--lora-modules")
        yield from (f"{name}={folder / str(path)}" for name, path in adapters.items())


def _caches(cache: Path) -> dict[str, str]:
    """HOME too: several libraries write below it whatever they are told."""
    places = {
        "HOME": "",
        "XDG_CACHE_HOME": "",
        "XDG_CONFIG_HOME": "config",
        "VLLM_CACHE_ROOT": "vllm",
        "VLLM_CONFIG_ROOT": "config/vllm",
        "HF_HOME": "huggingface",
        "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "TRITON_CACHE_DIR": "triton",
        "CUDA_CACHE_PATH": "cuda",
        "FLASHINFER_WORKSPACE_BASE": "flashinfer",
    }
    return {name: str(cache / place) for name, place in places.items()}


def _cpu_env() -> dict[str, str]:
    """One thread, not bound to a core: the box has other work for the rest."""
    return {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
