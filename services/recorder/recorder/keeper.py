"""The recorder's hold on its keeper: starts it, gives it batches and queries, starts it again when it has ended.

Owns the process and its two sockets. It knows nothing of DuckDB, which is in the other process alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

from signalbox.errors import ConfigurationError

from recorder import wire
from recorder.errors import FileInUseError, RecordingError, StorageError
from recorder.settings import keepers_environment
from recorder.state import Answer, Batch, Outcome
from recorder.wire import Close, Kept, Look, Open, Order, Question, Request, Write

ENDED_SECONDS_MAX = 2.0
"""How long the keeper may take to say how a query ended that has not answered."""
BESIDE_SECONDS_MAX = 2.0
"""How long after its deadline a query's answer is waited for: the keeper may be within a commit."""
CLOSE_SECONDS_MAX = 20.0


class Keeper:
    """The keeper of the database at `path`. Use `open` first."""

    def __init__(self, path: Path, memory_megabytes_max: int) -> None:
        self.path = path
        self._memory_megabytes_max = memory_megabytes_max
        self._process: subprocess.Popen[bytes] | None = None
        self._orders = self._questions = socket.socket()
        self._turn = asyncio.Lock()
        self._opened = False
        self._number = 0
        self._ended: dict[int, asyncio.Future[Outcome]] = {}

    @property
    def pid(self) -> int:
        """The keeper's process; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    async def open(self) -> Kept:
        """Open the file. Raises `FileInUseError`, `ConfigurationError`, or `StorageError` when the keeper ends."""
        async with self._turn:
            return await self._open()

    async def write(self, batches: list[Batch]) -> Kept:
        """Commit; raises `StorageError` when that can be tried again (after a `look`), else `RecordingError`."""
        async with self._turn:
            if not self._there():
                raise StorageError("the process that keeps the database has ended: it is started again")
            return await self._told(Write(batches=batches))

    async def look(self) -> Kept:
        """How things are, from a keeper that is there and has the file open; raises as `open` does."""
        async with self._turn:
            return await self._told(Look()) if self._there() else await self._open()

    async def close(self) -> None:
        """Have the file closed; raises `StorageError` when its log could not be written into it."""
        async with self._turn:
            if self._there():
                await asyncio.wait_for(self._told(Close()), CLOSE_SECONDS_MAX)
        await self.end()

    async def end(self) -> None:
        """Let the keeper go: it ends when nobody is at the other side."""
        process = self._process
        self._gone()
        if process is not None:
            try:
                await asyncio.wait_for(asyncio.to_thread(process.wait, CLOSE_SECONDS_MAX), CLOSE_SECONDS_MAX)
            except (subprocess.TimeoutExpired, TimeoutError):
                process.kill()

    async def ask(self, request: Request, deadline_seconds: float) -> Answer:
        """Run a query until `deadline_seconds` of the monotonic clock, in a process of its own."""
        if not self._there():
            try:
                await self.look()
            except (StorageError, ConfigurationError):
                return Answer(Outcome.PUT_OFF, b"")
        self._number += 1
        number = self._number
        ended = self._ended[number] = asyncio.get_running_loop().create_future()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        asked = Question(number=number, deadline_seconds=deadline_seconds, memory_megabytes=request.memory_megabytes)
        try:
            with theirs:
                socket.send_fds(self._questions, [wire.question(asked)], [theirs.fileno()])
            seconds = deadline_seconds - time.monotonic() + BESIDE_SECONDS_MAX
            return await asyncio.wait_for(self._answer(ours, request, ended), seconds)
        except (TimeoutError, OSError):
            return Answer(Outcome.PUT_OFF, b"")
        finally:
            self._ended.pop(number, None)
            ours.close()

    async def _answer(self, ours: socket.socket, request: Request, ended: asyncio.Future[Outcome]) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(ours, wire.frame(request))
            return wire.read_answer(await _receive(ours))
        except (EOFError, OSError):
            try:
                return Answer(await asyncio.wait_for(ended, ENDED_SECONDS_MAX), b"")
            except TimeoutError:
                return Answer(Outcome.PUT_OFF, b"")

    # ------------------------------------------------------------------------------------------------ the process

    def _there(self) -> bool:
        return self._opened and self._process is not None and self._process.poll() is None

    async def _open(self) -> Kept:
        if self._process is None or self._process.poll() is not None:
            self._gone()
            self._start()
        kept = await self._told(Open(path=str(self.path), memory_megabytes_max=self._memory_megabytes_max))
        self._opened = True
        return kept

    def _start(self) -> None:
        self._orders, orders = socket.socketpair()
        self._questions, questions = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for ours in (self._orders, self._questions):
            ours.setblocking(False)
        filenos = orders.fileno(), questions.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "recorder.keeper_process", *map(str, filenos)],
            env=keepers_environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=filenos,
        )
        orders.close()
        questions.close()
        asyncio.get_running_loop().add_reader(self._questions, self._hear)

    def _gone(self) -> None:
        if self._questions.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._questions)
        self._orders.close()
        self._questions.close()
        self._opened = False
        self._process = None
        for ended in self._ended.values():
            if not ended.done():
                ended.set_result(Outcome.PUT_OFF)

    def _hear(self) -> None:
        with contextlib.suppress(OSError):
            while datagram := self._questions.recv(wire.ENDED_BYTES):
                told = wire.read_ended(datagram)
                ended = self._ended.get(told.number)
                if ended is not None and not ended.done():
                    ended.set_result(told.outcome)

    async def _told(self, order: Order) -> Kept:
        """Give an order and have the answer. Broken off in between, the two would not understand each other again."""
        complete = False
        try:
            await asyncio.get_running_loop().sock_sendall(self._orders, wire.frame(order))
            kept = wire.read_kept(await _receive(self._orders))
            complete = True
        except (EOFError, OSError) as error:
            raise StorageError("the process that keeps the database has ended: it is started again") from error
        finally:
            if not complete:
                process = self._process
                self._gone()
                if process is not None:
                    process.kill()
                    process.wait()
        if kept.failure is None:
            return kept
        sentence = kept.failure.sentence
        match kept.failure.kind:
            case "FileInUseError":
                raise FileInUseError([sentence])
            case "ConfigurationError":
                raise ConfigurationError([sentence])
            case "StorageError":
                raise StorageError(sentence)
            case _:
                raise RecordingError(sentence)


async def _receive(connection: socket.socket) -> bytes:
    return await _exactly(connection, wire.length(await _exactly(connection, wire.HEAD_BYTES)))


async def _exactly(connection: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    parts: list[bytes] = []
    while count:
        part = await loop.sock_recv(connection, min(count, 2**18))
        if not part:
            raise EOFError("the other side has closed the connection")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
