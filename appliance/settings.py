"""The settings of a box: `yu.toml` in its data folder, `YU_…` variables above it, read once and passed down."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from appliance.errors import BadSettingsError
from models.catalog import cards_for
from models.profiles import profile, profile_names
from models.tasks import Task

CHECKOUT = Path(__file__).parents[1]


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Remote(Group):
    """Somebody else's server in a chain, in the shape its ecosystem speaks (Ollama, llama-server, speaches …)."""

    url: str
    model: str
    api_key: str | None = None


class Limits(Group):
    """What one request may bring. Bytes, characters, seconds, pixels."""

    json_bytes: int = 1 << 20
    upload_bytes: int = 25 << 20
    message_chars: int = 32_000
    speech_chars: int = 4096
    translate_chars: int = 20_000
    answer_tokens: int = 1024


class Chat(Group):
    """`resume_window_s`: how long an answer goes on when nobody reads it; the engine is free after that."""

    window_messages: int = 20
    window_tokens: int = 8192
    resume_window_s: float = 0.5
    slow_reader_s: float = 10.0
    first_token_timeout_s: float = 60.0
    temperature: float | None = None  # for every model; else the model's own


class Identity(Group):
    registration: Literal["closed", "open"] = "closed"
    access_token_s: int = 900
    refresh_token_s: int = 7 * 86400


class Tls(Group):
    """PEM files."""

    certificate: Path
    key: Path


class Venvs(Group):
    """The interpreters of the engine processes."""

    engines: Path = CHECKOUT / ".venv-engines" / "bin" / "python"
    llm: Path = CHECKOUT / ".venv-llm" / "bin" / "python"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="YU_", env_nested_delimiter="__", extra="forbid", frozen=True)

    data: Path
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    profile: str = "base"
    hosts: tuple[str, ...] = ()  # further names clients may call this box by, beside its own addresses
    chains: dict[Task, tuple[str | Remote, ...]] = Field(default_factory=dict)  # replaces the profile's, task by task
    limits: Limits = Limits()
    chat: Chat = Chat()
    identity: Identity = Identity()
    venvs: Venvs = Venvs()
    tls: Tls | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        if self.profile not in profile_names():
            raise ValueError(f"There is no profile {self.profile!r}; there are: {', '.join(profile_names())}")
        for task, links in self.chains.items():
            known = {card.name for card in cards_for(task)}
            if unknown := [link for link in links if isinstance(link, str) and link not in known]:
                raise ValueError(f"chains.{task}: the catalogue has no {unknown[0]!r} for this; see `yu models list`")
        return self

    def chain(self, task: Task) -> tuple[str | Remote, ...]:
        chosen = self.chains.get(task)
        return profile(self.profile)[task] if chosen is None else chosen

    @property
    def run_folder(self) -> Path:
        """Sockets and the console's token: gone and made anew at each start."""
        return self.data / "run"

    def socket(self, card: str) -> Path:
        return self.run_folder / f"{card}.sock"


def read_settings(data: Path, **given: object) -> Settings:
    """Arguments above variables above `yu.toml`. Raises `BadSettingsError` naming the field."""

    class OfThisFolder(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, data / "yu.toml")

    try:
        return OfThisFolder(data=data, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "\n".join(_in_words(problem) for problem in error.errors(include_url=False))
        raise BadSettingsError(data / "yu.toml", problems) from error
    except ValueError as error:  # not TOML
        raise BadSettingsError(data / "yu.toml", str(error)) from error


def _in_words(problem: ErrorDetails) -> str:
    field = ".".join(str(part) for part in problem["loc"])
    said = problem["msg"].removeprefix("Value error, ")
    return f"  {field}: {said}" if field else f"  {said}"
