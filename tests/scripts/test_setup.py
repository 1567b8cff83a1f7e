"""scripts/setup and scripts/run on a small checkout of their own: real uv, real venvs, wheels from a folder."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BASE_PYTHON = Path(sys.base_prefix) / "bin" / "python3"  # not the shim of a version manager, which takes its time

BUILD_BACKEND = """\
import zipfile

WHEEL = "yu-1-py3-none-any.whl"
FILES = {
    "yu_says.py": "import os, sys\\ndef main(): print('yu', *sys.argv[1:], 'in', os.getcwd())\\n",
    "yu-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: yu\\nVersion: 1\\n",
    "yu-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: here\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "yu-1.dist-info/entry_points.txt": "[console_scripts]\\nyu = yu_says:main\\n",
    "yu-1.dist-info/RECORD": "",
}

def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{folder}/{WHEEL}", "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(name, text)
    return WHEEL
"""

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "yu"
version = "1"
requires-python = ">=3.11"

[project.scripts]
yu = "yu_says:main"

[tool.ruff]
line-length = 120
"""


class Checkout:
    """A checkout with our scripts, a project of one module, and locks that name wheels in a folder beside it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "my box"
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        shutil.copytree(REPOSITORY / "scripts", self.root / "scripts", ignore=shutil.ignore_patterns("build_*", "__*"))
        (self.root / "pyproject.toml").write_text(PYPROJECT)
        (self.root / "backend.py").write_text(BUILD_BACKEND)
        (self.root / "requirements").mkdir()
        self.lock("box", "ground")
        self.lock("dev", "ground", "hammer")
        self.lock("engines", "motor")
        self.environment = {
            "HOME": str(folder),
            "PATH": f"{BASE_PYTHON.parent}:{REPOSITORY}/.venv-tools/uv/bin:{os.environ['PATH']}",
            "UV_CACHE_DIR": str(folder / "cache"),
            "UV_FIND_LINKS": str(self.wheels),
            "UV_OFFLINE": "1",
        }

    def lock(self, name: str, *packages: str) -> None:
        lines = [f"{package}==1 --hash=sha256:{self.wheel(package)}\n" for package in packages]
        (self.root / "requirements" / f"{name}.txt").write_text("".join(lines))

    def wheel(self, package: str) -> str:
        """Its sha256."""
        file = self.wheels / f"{package}-1-py3-none-any.whl"
        info = f"{package}-1.dist-info"
        if not file.exists():
            with zipfile.ZipFile(file, "w") as wheel:
                wheel.writestr(f"{package}.py", "")
                wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
                wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
                wheel.writestr(f"{info}/RECORD", "")
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def start(self, line: str, *, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """A line of bash that knows our scripts. Debian's packages are the machine's matter, not this test's."""
        return subprocess.Popen(
            ["bash", "-c", f'source "$0/scripts/run"; DEBIAN_PACKAGES=(); {line}', self.root],
            cwd=cwd,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def call(self, line: str, *, cwd: Path | None = None, **environment: str) -> tuple[int, str]:
        """Its exit status, and all that it said."""
        process = self.start(line, cwd=cwd, **environment)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def set_up(self, *locks: str) -> str:
        status, output = self.call(f"set_up {' '.join(locks)}")
        assert status == 0, output
        return output

    def has(self, venv: str, module: str) -> bool:
        python = self.root / venv / "bin" / "python"
        return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_setup_makes_each_venv_from_its_lock_with_the_project_in_it(checkout: Checkout) -> None:
    output = checkout.set_up("box", "engines")
    assert "[1/2] box: 1 packages" in output and "[2/2] engines: 1 packages" in output
    assert checkout.has(".venv", "ground") and checkout.has(".venv", "yu_says")
    assert checkout.has(".venv-engines", "motor") and not checkout.has(".venv-engines", "ground")


def test_a_second_setup_has_nothing_to_do(checkout: Checkout) -> None:
    checkout.set_up("box")
    made = (checkout.root / ".venv/.installed-box").stat().st_mtime_ns
    assert checkout.set_up("box") == ""
    assert (checkout.root / ".venv/.installed-box").stat().st_mtime_ns == made


def test_what_leaves_the_lock_leaves_the_venv(checkout: Checkout) -> None:
    checkout.set_up("box")
    checkout.lock("box", "cellar")
    checkout.set_up("box")
    assert checkout.has(".venv", "cellar") and checkout.has(".venv", "yu_says")
    assert not checkout.has(".venv", "ground")


def test_a_development_venv_serves_the_box_and_stays_one(checkout: Checkout) -> None:
    checkout.set_up("box")
    checkout.set_up("dev")
    assert checkout.set_up("box") == ""
    checkout.lock("dev", "ground", "hammer", "saw")
    assert "dev: 3 packages" in checkout.set_up("box")
    assert checkout.has(".venv", "hammer") and checkout.has(".venv", "saw")


def break_off(checkout: Checkout) -> None:
    """As a kill in the middle leaves it: a package that is said to be there and is not, and no stamp."""
    next((checkout.root / ".venv").glob("lib/*/site-packages/ground.py")).unlink()
    (checkout.root / ".venv/.installed-box").unlink()


def lose_python(checkout: Checkout) -> None:
    (checkout.root / ".venv/bin/python").unlink()


def move(checkout: Checkout) -> None:
    checkout.root = checkout.root.rename(checkout.root.with_name("moved box"))


@pytest.mark.parametrize("happen", [break_off, lose_python, move])
def test_a_venv_that_cannot_work_is_made_anew(checkout: Checkout, happen: Callable[[Checkout], None]) -> None:
    checkout.set_up("box")
    happen(checkout)
    assert "box: 1 packages" in checkout.set_up("box")
    assert checkout.has(".venv", "ground") and checkout.has(".venv", "yu_says")


@pytest.mark.parametrize(
    ("changed", "again"),
    [(("line-length = 120", "line-length = 99"), False), (('version = "1"', 'version = "2"'), True)],
)
def test_only_a_change_of_the_project_itself_installs_it_again(
    checkout: Checkout, changed: tuple[str, str], again: bool
) -> None:
    checkout.set_up("box")
    (checkout.root / "pyproject.toml").write_text(PYPROJECT.replace(*changed))
    assert bool(checkout.set_up("box")) is again


def test_of_two_setups_at_once_one_works_and_one_waits(checkout: Checkout) -> None:
    setups = [checkout.start("set_up box engines") for _ in range(2)]
    outputs = [setup.communicate(timeout=60)[0] for setup in setups]
    assert [setup.returncode for setup in setups] == [0, 0], outputs
    assert sum("[1/2] box" in output for output in outputs) == 1
    assert checkout.has(".venv", "yu_says") and checkout.has(".venv-engines", "motor")


@pytest.mark.parametrize("sight", ["[1/2] box", "[2/2] engines"])
def test_a_setup_that_was_killed_is_taken_up_by_the_next(checkout: Checkout, sight: str) -> None:
    setup = checkout.start("set_up box engines")
    assert setup.stdout is not None
    assert any(line.startswith(sight) for line in setup.stdout)
    os.killpg(setup.pid, signal.SIGKILL)
    setup.communicate(timeout=60)
    checkout.set_up("box", "engines")
    assert checkout.has(".venv", "ground") and checkout.has(".venv-engines", "motor")


def test_without_an_index_it_says_what_is_missing_and_what_to_do(checkout: Checkout) -> None:
    closed_port = "http://127.0.0.1:9/simple"
    status, output = checkout.call(
        "set_up box", UV_OFFLINE="0", UV_FIND_LINKS="", UV_INDEX_URL=closed_port, UV_HTTP_RETRIES="0"
    )
    assert status == 1
    assert f"{checkout.root}/.venv is not set up: the 1 packages of requirements/box.txt" in output
    assert "UV_INDEX_URL" in output and "UV_FIND_LINKS" in output
    assert len(output.splitlines()) < 15 and "Traceback" not in output


def test_without_a_python_it_names_debians_package(checkout: Checkout, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "cat", "dirname", "flock", "grep", "mkdir", "readlink", "rm", "sed", "sha256sum", "uv"):
        found = shutil.which(name, path=checkout.environment["PATH"])
        assert found is not None, name
        (programs / name).symlink_to(found)
    status, output = checkout.call("set_up box", PATH=str(programs))
    assert status == 1
    assert "Python 3.11 or newer is missing" in output and "apt-get install python3" in output


def test_the_box_starts_where_it_was_called_with_the_arguments_as_given(checkout: Checkout, tmp_path: Path) -> None:
    status, output = checkout.call("start_the_box --data 'my data' --port 0", cwd=tmp_path)
    assert status == 0, output
    assert output.endswith(f"yu up --data my data --port 0 in {tmp_path}\n")


@pytest.mark.parametrize(
    ("arguments", "variable", "locks"),
    [
        ("", "", "box engines"),
        ("--profile base", "micro", "box engines"),
        ("--port 1 --profile micro", "", "box engines llm"),
        ("--profile=micro", "", "box engines llm"),
        ("", "micro", "box engines llm"),
    ],
)
def test_only_a_profile_with_a_language_model_asks_for_its_venv(
    checkout: Checkout, arguments: str, variable: str, locks: str
) -> None:
    status, output = checkout.call(f'locks_for "$(profile_of {arguments})"', YU_PROFILE=variable)
    assert (status, output.strip()) == (0, locks)
