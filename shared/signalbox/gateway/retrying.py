"""How long to wait before a venue is tried again: twice as long each time, up to a bound. Owns nothing else."""

from __future__ import annotations


class Backoff:
    """The waits between attempts."""

    def __init__(self, retry_delay_seconds: float, retry_delay_seconds_max: float) -> None:
        self._first_seconds, self._seconds_max = retry_delay_seconds, retry_delay_seconds_max
        self._next_seconds = retry_delay_seconds

    def next_seconds(self) -> float:
        """The next wait."""
        seconds, self._next_seconds = self._next_seconds, min(self._next_seconds * 2, self._seconds_max)
        return seconds

    def reset(self) -> None:
        """An attempt has succeeded: begin again with the first wait."""
        self._next_seconds = self._first_seconds
