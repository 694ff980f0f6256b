"""A process that says that it stops is gone within its grace, whatever keeps it.

What may keep it: a name lookup in a library's thread, a task that loses its cancellation, a handler that never comes
back, an event loop that does not turn any more. Owns one deadline in a thread of its own, and the end by force. It must
not know what the process does: everything of it has been written with its death at any instant in mind.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable

log = logging.getLogger(__name__)

LOG_SECONDS_MAX = 1.0
"""Writing the last line may be what is stuck."""
FRAMES_MAX = 5


class LastResort:
    """The deadline of one process."""

    def __init__(self, tell: Callable[[float, int], None] | None = None) -> None:
        """`tell` says that it came to that; left out, the log does."""
        self._tell = tell or _tell
        self._timer: threading.Timer | None = None

    @property
    def armed(self) -> bool:
        return self._timer is not None

    def within(self, seconds: float, status: int) -> None:
        """End the process with `status` in `seconds`, unless it has ended before; replaces an earlier deadline."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, end_by_force, (seconds, status, self._tell))
        self._timer.name, self._timer.daemon = "last resort", True
        self._timer.start()


def end_by_force(seconds: float, status: int, tell: Callable[[float, int], None]) -> None:
    """End at once, but say so first."""
    told = threading.Thread(target=tell, args=(seconds, status), daemon=True)
    told.start()
    told.join(LOG_SECONDS_MAX)
    os._exit(status)


def _tell(seconds: float, status: int) -> None:
    """Log where the process was stuck."""
    main = sys._current_frames().get(threading.main_thread().ident or 0)
    log.warning(
        "it did not end in time and was ended by force",
        extra={
            "seconds": seconds,
            "status": status,
            "threads": sorted(thread.name for thread in threading.enumerate()),
            "main_thread": [line.strip() for line in traceback.format_stack(main)[-FRAMES_MAX:]] if main else [],
        },
    )
