"""Ends what a test's process has left behind when it died: desks, servers and venues that would go on for ever.

Owns how they are known: each inherits, in its environment, which test run and which of its processes it is of.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")
RUN, WORKER = "PYTEST_XDIST_TESTRUNUID", "PYTEST_XDIST_WORKER"
"""What pytest-xdist gives a process that runs tests."""


def end_all_of(run: str, worker: str) -> list[int]:
    """SIGKILL whatever one process of a test run has started; their process ids. (Linux.)"""
    wanted = {f"{RUN}={run}".encode(), f"{WORKER}={worker}".encode()}
    ended = []
    for folder in PROCESSES.glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is somebody else's
            if wanted <= set((folder / "environ").read_bytes().split(b"\0")):
                os.kill(int(folder.name), signal.SIGKILL)
                ended.append(int(folder.name))
    return ended
