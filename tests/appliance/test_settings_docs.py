from pydantic import BaseModel

from appliance.settings import Settings
from tests.running import CHECKOUT


def names(kind: type[BaseModel], prefix: str = "") -> list[str]:
    """Every setting as it is written in `yu.toml`."""
    found = []
    for name, field in kind.model_fields.items():
        group = next(
            (part for part in (field.annotation, *getattr(field.annotation, "__args__", ())) if is_group(part)), None
        )
        found += names(group, f"{prefix}{name}.") if group else [f"{prefix}{name}"]
    return found


def is_group(part: object) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def test_every_setting_is_in_the_docs() -> None:
    page = (CHECKOUT / "docs/settings.md").read_text()
    missing = [name for name in names(Settings) if f"`{name}`" not in page and f"`{name}.TASK`" not in page]
    assert missing == [] and len(names(Settings)) > 20
