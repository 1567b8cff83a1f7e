"""Time as it is kept: UTC, ISO 8601, milliseconds, so that text sorts as time."""

from datetime import UTC, datetime


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
