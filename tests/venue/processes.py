"""Gateways as processes of their own that start in milliseconds: forked by a process which has imported them before.

Owns starting, SIGKILL and SIGTERM. It must not know what a gateway does. Run as a script, this file is the process
that forks: a line of JSON in (what to run, its environment, its log), a line with the process id out.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

END_SECONDS_MAX = 60.0
PR_SET_PDEATHSIG = 1


class ForkServer:
    """Forks processes that run `main()` of a module. One for each module, kept for all tests."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def fork(self, environment: dict[str, str], log: Path) -> int:
        """Start one process; its id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"environment": environment, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it, and whatever it has forked that still runs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(END_SECONDS_MAX)
        self._process.stdout.close()


class GatewayProcess:
    """One gateway: started, killed and started again with the same environment."""

    def __init__(self, server: ForkServer, environment: dict[str, str], log: Path) -> None:
        self._server, self._environment, self.log = server, environment, log
        self._process_id = 0

    @property
    def process_id(self) -> int:
        """Of the one that was started last; 0 = it was ended."""
        return self._process_id

    def start(self) -> None:
        assert not self.runs(), "it runs already"
        self._process_id = self._server.fork(self._environment, self.log)

    def runs(self) -> bool:
        """Whether it is still there."""
        if self._process_id == 0:
            return False
        try:
            os.kill(self._process_id, 0)
        except ProcessLookupError:
            return False
        return True

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and wait until it is gone."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self.runs():
            os.kill(self._process_id, number)
        async with asyncio.timeout(END_SECONDS_MAX):
            while self.runs():
                await asyncio.sleep(0.002)
        self._process_id = 0


# ------------------------------------------------------------------------------------------ the process that forks


def serve(module_name: str) -> None:
    """Import the module, then fork for each line, until there are no more."""
    module = importlib.import_module(f"{module_name}.__main__")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    _die_with_the_parent()
    children = []
    for line in sys.stdin:
        asked = json.loads(line)
        process_id = os.fork()
        if process_id == 0:
            _become(module.main, asked["environment"], asked["log"])
        children.append(process_id)
        sys.stdout.write(f"{process_id}\n")
        sys.stdout.flush()
    for process_id in children:
        try:
            os.kill(process_id, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _die_with_the_parent() -> None:
    """Leave nothing behind when the tests are killed: a gateway would call at its port for ever, whoever has it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _become(main: object, environment: dict[str, str], log: str) -> None:
    status = 1
    try:
        os.setsid()
        _die_with_the_parent()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing, written = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(nothing, 0)
        os.dup2(written, 1)
        os.dup2(written, 2)
        os.environ.update(environment)
        assert callable(main)
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
