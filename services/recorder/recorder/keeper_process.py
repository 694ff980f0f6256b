"""The keeper: the process that has the database, `python -m recorder.keeper_process`. Started by keeper.py alone.

Owns the file, alone and with one thread, so that it may be forked: each query runs in a copy of this process
(reading.py), which has the database as it is at that instant and may be killed at any other. It knows nothing of NATS,
of settings or of passwords: it is started with an environment in which there are none. It ends when the recorder does.

Between two commits it starts queries; a checkpoint waits until no query runs, new queries wait for the checkpoint, and
recording waits for neither: a log that has grown too long meanwhile ends the queries that run.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signalbox.errors import ConfigurationError, SignalboxError

from recorder import wire
from recorder.database import Database
from recorder.errors import FileInUseError, RecordingError, StorageError
from recorder.memory import give_back
from recorder.reading import PR_SET_PDEATHSIG, bound, run
from recorder.state import Answer, Outcome
from recorder.wire import Close, Ended, Failure, Kept, Look, Open, Order, Question, Write

LOG_BYTES_MAX = 64_000_000
"""Queries that still run when the log has grown this long are ended: recording goes before reading."""
TIDY_SECONDS = 10.0
"""So long after the last query (or the start), the memory that only they need is given back."""
GARBAGE_THRESHOLD = 20_000
"""A batch is thousands of tuples that hold no cycles: looking for cycles at each 700 of them costs a tenth of the
time."""
UMASK = 0o027


@dataclass(slots=True)
class Reader:
    """A process that runs a query."""

    number: int
    put_off: bool = False


class KeeperProcess:
    """Takes orders and questions until the recorder closes its side."""

    def __init__(self, orders: socket.socket, questions: socket.socket) -> None:
        self._orders, self._questions = orders, questions
        self._database: Database | None = None
        self._readers: dict[int, Reader] = {}
        self._waiting: deque[tuple[Question, socket.socket]] = deque()
        self._tidy_at_seconds: float | None = None
        self._checkpoint_failed = False
        self._prctl = _prctl()
        self._woken, waker = socket.socketpair()
        for end in (questions, self._woken, waker):
            end.setblocking(False)
        self._waker = waker
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        """Return when the recorder is gone or has said `Close`."""
        selector = selectors.DefaultSelector()
        for each in (self._orders, self._questions, self._woken):
            selector.register(each, selectors.EVENT_READ)
        going_on = True
        while going_on:
            ready = {key.fileobj for key, _ in selector.select(self._idle_seconds())}
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
            self._reap()
            if self._questions in ready:
                self._take_questions()
            self._start_readers()
            if self._orders in ready:
                going_on = self._take_order()
            self._tidy()

    def _idle_seconds(self) -> float | None:
        if self._tidy_at_seconds is None:
            return None
        return max(0.0, self._tidy_at_seconds - time.monotonic())

    # ------------------------------------------------------------------------------------------------- the orders

    def _take_order(self) -> bool:
        try:
            order = wire.read_order(wire.receive(self._orders))
        except (EOFError, ConnectionError):
            return False
        failure = self._failure_of(order)
        with contextlib.suppress(BrokenPipeError):
            self._orders.sendall(wire.frame(self._kept(failure)))
        return not isinstance(order, Close)

    def _failure_of(self, order: Order) -> Failure | None:
        try:
            self._obey(order)
        except FileInUseError as error:
            return Failure(kind="FileInUseError", sentence=str(error))
        except ConfigurationError as error:
            return Failure(kind="ConfigurationError", sentence=str(error))
        except StorageError as error:
            return Failure(kind="StorageError", sentence=str(error))
        except SignalboxError as error:
            return Failure(kind="RecordingError", sentence=str(error))
        return None

    def _obey(self, order: Order) -> None:
        if isinstance(order, Open):
            self._database = Database(Path(order.path), order.memory_megabytes_max)
            self._tidy_at_seconds = time.monotonic() + TIDY_SECONDS
        elif self._database is None:
            raise RecordingError("the keeper has no file open")
        elif isinstance(order, Write):
            self._database.write(order.batches)
            self._checkpoint()
        elif isinstance(order, Look):
            _ = self._database.connection
        else:
            self._end_readers()
            self._database.close()

    def _kept(self, failure: Failure | None) -> Kept:
        database = self._database
        return Kept(
            places=database.places if database is not None else {},
            bytes_on_disk=database.bytes_on_disk() if database is not None else 0,
            resident_bytes=_resident_bytes(),
            failure=failure,
        )

    def _checkpoint(self) -> None:
        """Write the log into the file if it is time and nobody reads; a full disk is told at the next write."""
        database = self._database
        if database is None or not database.checkpoint_is_due():
            return
        if database.log_bytes() > LOG_BYTES_MAX:
            self._end_readers()
        if not self._readers:
            with contextlib.suppress(StorageError):
                database.checkpoint()

    # ------------------------------------------------------------------------------------------------ the queries

    def _take_questions(self) -> None:
        while True:
            try:
                datagram, files, _, _ = socket.recv_fds(self._questions, wire.QUESTION_BYTES, 1)
            except (BlockingIOError, ConnectionError):
                return
            if len(datagram) != wire.QUESTION_BYTES or not files:
                return
            self._waiting.append((wire.read_question(datagram), socket.socket(fileno=files[0])))

    def _start_readers(self) -> None:
        """A copy of this process for each question, unless the log is to be written into the file first."""
        if not self._waiting:
            return
        self._checkpoint()
        while self._waiting:
            database = self._database
            if self._readers and database is not None and database.checkpoint_is_due():
                return
            asked, connection = self._waiting.popleft()
            with connection:
                self._start_reader(asked, connection)

    def _start_reader(self, asked: Question, connection: socket.socket) -> None:
        try:
            if self._database is None or time.monotonic() > asked.deadline_seconds:
                raise StorageError("too late, or no file")
            reading = self._database.connection
            pid = os.fork()
        except (StorageError, OSError):
            self._tell(asked.number, Outcome.PUT_OFF)
            return
        if pid:
            self._readers[pid] = Reader(asked.number)
            self._tidy_at_seconds = time.monotonic() + TIDY_SECONDS
            return
        try:  # from here on, this is the copy: it leaves by os._exit, whatever happens
            self._leave_to_the_keeper()
            bound(asked.memory_megabytes, asked.deadline_seconds, self._prctl)
            request = wire.read_request(wire.receive(connection))
            connection.settimeout(None)
            connection.sendall(wire.answer_frame(run(reading, request.sql, request.rows_max, asked.memory_megabytes)))
            os._exit(0)
        except MemoryError:
            with contextlib.suppress(BaseException):
                connection.sendall(wire.answer_frame(Answer(Outcome.OUT_OF_MEMORY, b"")))
        finally:
            os._exit(1)

    def _leave_to_the_keeper(self) -> None:
        """Close in the copy what is not its own: nobody must think that it is still there when the keeper has gone."""
        for end in (self._orders, self._questions, self._woken, self._waker, *(each for _, each in self._waiting)):
            with contextlib.suppress(OSError):
                os.close(end.fileno())

    def _reap(self) -> None:
        while self._readers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._over(pid, status)

    def _end_readers(self) -> None:
        """Kill what runs; none runs when this returns."""
        for pid, reader in self._readers.items():
            reader.put_off = True
            os.kill(pid, signal.SIGKILL)
        for pid in list(self._readers):
            self._over(*os.waitpid(pid, 0))

    def _over(self, pid: int, status: int) -> None:
        reader = self._readers.pop(pid, None)
        if reader is not None and status:
            self._tell(reader.number, _outcome(status, put_off=reader.put_off))

    def _tell(self, number: int, outcome: Outcome) -> None:
        with contextlib.suppress(OSError):
            self._questions.send(wire.ended(Ended(number=number, outcome=outcome)))

    def _tidy(self) -> None:
        if self._tidy_at_seconds is not None and time.monotonic() >= self._tidy_at_seconds and not self._readers:
            self._tidy_at_seconds = None
            gc.collect()
            give_back()


def _outcome(status: int, *, put_off: bool) -> Outcome:
    """What the end of a copy means. SIGKILL that the keeper did not send is the kernel's: memory had run out."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if put_off:
        return Outcome.PUT_OFF
    if number == signal.SIGALRM:
        return Outcome.OUT_OF_TIME
    if number in (signal.SIGKILL, signal.SIGABRT):
        return Outcome.OUT_OF_MEMORY
    return Outcome.BROKEN


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _prctl() -> Callable[..., Any] | None:
    """Linux's; loaded before any fork."""
    return getattr(ctypes.CDLL(None), "prctl", None) if sys.platform.startswith("linux") else None


def main(orders_fileno: int, questions_fileno: int) -> None:
    os.umask(UMASK)
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the recorder says when
    keeper = KeeperProcess(socket.socket(fileno=orders_fileno), socket.socket(fileno=questions_fileno))
    if keeper._prctl is not None:
        keeper._prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    keeper.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
