"""How long a message waits to be stored, and who is told: no room, no answer, no connection.

- *No room*: for ever. JetStream looks for repeated ids before it looks for room, so "full" also says that no earlier
  attempt was stored; when there is room the message is stored, once.
- *No answer* while connected: what a stream does whose disk was full, until nats-server is started again. What became
  of an attempt is not known then, so the wait ends within the window in which JetStream knows the ids.
- *No connection*, or no stream: `AWAY_SECONDS_MAX`, as a restart may find another server. A service waits for its
  server as long as that takes: time without a connection counts for nothing then.

Times are given, so that all of it can be tested without waiting. It must not know what is published.
"""

from __future__ import annotations

from collections.abc import Callable

from signalbox import metrics

AWAY_SECONDS_MAX = 60.0
UNCERTAIN_SECONDS_MAX = 480.0
"""Of the streams' `duplicate_window_seconds`, with what an attempt may take to arrive."""
UNSAID_SECONDS_MAX = 5.0
"""A silence that is shorter is nothing to tell a person."""
DELAY_SECONDS_MIN, DELAY_SECONDS_MAX = 0.02, 1.0


class Wait:
    """One message's wait, from its first failed attempt on."""

    def __init__(self, now_seconds: float) -> None:
        self.began_seconds = now_seconds
        self._certain_seconds = now_seconds
        """Until then it is known that nothing was stored."""
        self._away_seconds: float | None = None
        self._silent_seconds: float | None = None
        self._without_seconds: float | None = None
        self._delay_seconds = DELAY_SECONDS_MIN
        self.problem = ""

    def no_room(self, now_seconds: float, problem: str) -> None:
        self.problem, self._certain_seconds = problem, now_seconds
        self._away_seconds = self._silent_seconds = self._without_seconds = None

    def no_answer(self, now_seconds: float) -> None:
        self.problem, self._away_seconds, self._without_seconds = "no answer", None, None
        if self._silent_seconds is None:
            self._silent_seconds = now_seconds

    def away(self, now_seconds: float, problem: str) -> None:
        self.problem, self._silent_seconds, self._without_seconds = problem, None, None
        if self._away_seconds is None:
            self._away_seconds = now_seconds

    def without_server(self, now_seconds: float) -> None:
        """There is no connection, and the process waits until there is one."""
        self.problem, self._silent_seconds, self._away_seconds = "not connected", None, now_seconds
        if self._without_seconds is not None:
            self._certain_seconds += now_seconds - self._without_seconds
        self._without_seconds = now_seconds

    def next_delay_seconds(self) -> float:
        """How long to wait until the next attempt: twice as long each time, within bounds."""
        delay_seconds, self._delay_seconds = self._delay_seconds, min(self._delay_seconds * 2, DELAY_SECONDS_MAX)
        return delay_seconds

    def is_over(self, now_seconds: float) -> bool:
        """Whether to give up: another attempt would come too late, or nobody is there."""
        if self._away_seconds is not None and now_seconds - self._away_seconds > AWAY_SECONDS_MAX:
            return True
        return now_seconds - self._certain_seconds > UNCERTAIN_SECONDS_MAX

    def is_for_room(self, now_seconds: float) -> bool:
        """Whether room is what the message waits for, as far as can be told: no answer for long is a full disk."""
        if self._away_seconds is not None:
            return False
        return self._silent_seconds is None or now_seconds - self._silent_seconds > UNSAID_SECONDS_MAX


class WaitsForRoom:
    """The waits of one connection, by stream: shown as a metric, and told to `changed` ("" = there is room again)."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._waiting: dict[str, set[Wait]] = {}
        self._told: dict[str, str] = {}
        self._shown: set[str] = set()
        self.changed: Callable[[str, str], None] = lambda stream, problem: None

    def note(self, stream: str, wait: Wait, now_seconds: float) -> None:
        """A message's last attempt has failed."""
        if not wait.is_for_room(now_seconds):
            self.over(stream, wait)
            return
        self._waiting.setdefault(stream, set()).add(wait)
        self._show(stream, wait.problem)

    def over(self, stream: str, wait: Wait) -> None:
        """A message is stored or given up, or room is not what it waits for."""
        if stream in self._shown and stream not in self._waiting and stream not in self._told:
            return  # as good as always
        waiting = self._waiting.get(stream, set())
        waiting.discard(wait)
        if not waiting:
            self._waiting.pop(stream, None)
            self._show(stream, "")

    def _show(self, stream: str, problem: str) -> None:
        if not problem and stream not in self._told:
            if stream not in self._shown:  # a figure that is not there can not be told from one that is 0
                self._shown.add(stream)
                metrics.BUS_WAITING_FOR_ROOM.labels(self._service, stream).set(0)
                metrics.BUS_DROPPED.labels(self._service, stream)
            return
        metrics.BUS_WAITING_FOR_ROOM.labels(self._service, stream).set(len(self._waiting.get(stream, ())))
        if self._told.get(stream, "") != problem:
            self._told[stream] = problem
            self.changed(stream, problem)
