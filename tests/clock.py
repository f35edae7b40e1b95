"""A clock that stands still until a test moves it, and how long tests wait where the computer's own runs."""

from datetime import UTC, datetime, timedelta

PATIENCE = 60.0
"""Seconds that a test waits for what must come. It ends a test that hangs; a busy machine never needs so long."""


class FakeClock:
    def __init__(self, start: datetime = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float = 0.0, **more: float) -> None:
        """Let time pass: `advance(5)`, `advance(days=31)`."""
        step = timedelta(seconds=seconds, **more)
        self._now += step
        self._monotonic += step.total_seconds()
