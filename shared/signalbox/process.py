"""The one way a service starts, runs and ends.

Reads the environment (nothing else does), connects, hands the service its `Runtime`, and on SIGTERM or SIGINT drains:
what a handler has begun is finished and acknowledged, what it has not begun is left for the next process; then a lease
is given back. Any failure that a restart mends (a lost lease, a second writer, a background task's error) ends the
process with status 1. Told to stop or failed, at whatever point of its life, it is gone within `STOP_SECONDS_MAX`: what
does not end by then is ended by force (`signalbox.last_resort`). NATS being away is no failure: the process waits for
it, writes nothing meanwhile, and is not ready.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

import uvloop

from signalbox import messages, metrics, subjects
from signalbox.addresses import without_password
from signalbox.bus import Bus, BusSettings, Received
from signalbox.clock import DeskClock, FollowingClock, WallClock
from signalbox.desk import ClockSource, Desk, load_desk
from signalbox.errors import ConfigurationError, SignalboxError
from signalbox.last_resort import LastResort
from signalbox.lease import OwnLease
from signalbox.messages import ClockTick
from signalbox.presence import serve_discovery, serve_status
from signalbox.seals import Seals, demand, links_of
from signalbox.setting_names import PREFIX
from signalbox.settings import Secret, ServiceSettings, load
from signalbox.telemetry import Health, HttpServer, configure_logging

log = logging.getLogger(__name__)

S = TypeVar("S", bound=ServiceSettings)
T = TypeVar("T")

EXIT_FAILED, EXIT_MISCONFIGURED = 1, 2
CANCELLATIONS_MAX, CANCELLATION_SECONDS_MAX = 5, 0.5
STOP_SECONDS_MAX = 12.0
"""From the word to stop, or a failure, to the end: below the grace of `signalbox up`, of compose and of Kubernetes."""
CLEAN_UP_SECONDS_MAX = 3.0
"""What is left then is closing: event loop, threads, interpreter."""
OURS_ALONE = 0o077
"""Taken from the mode of every file that a service makes: it holds what the desk does, or what it knows."""
LEASE_WATCH_SECONDS = 0.25
GC_THRESHOLD_OBJECTS = 10_000
"""New objects between two collections; Python's 700 means several within each order."""


@dataclass
class Runtime:
    """What a service is given to work with."""

    bus: Bus
    clock: DeskClock
    desk: Desk
    health: Health
    log: logging.Logger
    details: Callable[[], dict[str, str]] = dict
    """Figures for `signalbox status`; a service may replace it."""
    stop: Callable[[], Awaitable[None]] | None = None
    """Called before the bus drains; a service may set it."""
    failed: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _leases: list[OwnLease] = field(default_factory=list)

    async def hold(self, lease: OwnLease) -> None:
        """Stand by until the lease is this process's, then keep it to the end; losing it ends the process.

        Who needs several takes them in the same order everywhere, or two processes could wait for each other.
        """
        self._leases.append(lease)
        told = ""

        def stand_by(reason: str) -> None:
            nonlocal told
            self.health.stand_by(reason)
            if reason != told:
                log.info("standing by", extra={"lease": lease.on, "reason": reason})
                told = reason

        began_seconds = time.monotonic()
        await lease.acquire(stand_by)
        self.health.work()
        waited_seconds = round(time.monotonic() - began_seconds, 3)
        log.info("the lease is held", extra={"lease": lease.on, "epoch": lease.epoch, "waited_seconds": waited_seconds})
        await self.spawn(lease.keep(), "lease")
        await self.spawn(self._watch_lease(lease), "lease watch")

    async def _watch_lease(self, lease: OwnLease) -> None:
        """Say whenever the lease has run out for want of NATS, and that it is held again, for ever."""
        lapsed, condition = False, "lease" if lease is self._leases[0] else f"lease on {lease.on}"
        while True:
            if lease.is_held():
                self.health.met(condition)
                if lapsed:
                    log.warning("the lease is held again", extra={"lease": lease.on, "epoch": lease.epoch})
            else:
                why = "NATS does not answer" if self.bus.connected else "NATS can not be reached"
                self.health.unmet(condition, f"{why}, so it is not renewed: nothing is written before it is")
                if not lapsed:
                    log.error("the lease has run out: waiting for NATS", extra={"lease": lease.on, "reason": why})
            lapsed = not lease.is_held()
            await asyncio.sleep(LEASE_WATCH_SECONDS)

    def end(self) -> None:
        """The process ends: no handler waits for the lease to be renewed any more."""
        for lease in self._leases:
            lease.end()

    async def give_back(self) -> None:
        """Let the next process begin: this one writes nothing any more."""
        for lease in reversed(self._leases):  # the first is what others stand by for
            await lease.give_back()

    async def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        """Run `coroutine` beside the service; its failure, or its end, ends the process."""
        task = asyncio.create_task(self._guard(coroutine, name), name=name)
        self._tasks.append(task)

    async def _guard(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await coroutine
            self.fail(SignalboxError(f"{name} has ended"))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("a background task failed", extra={"task": name})
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the process: a restart carries on from the streams."""
        if not self.failed.done():
            self.failed.set_exception(error)


def run(service: str, settings_type: type[S], start: Callable[[S, Runtime], Awaitable[None]]) -> None:
    """Run a service until it is told to stop. Exit status: 0 told to, 1 failed, 2 misconfigured."""
    try:
        settings = load(settings_type, os.environ)
        desk = load_desk(settings.desk_file)
        seals = seals_of(service, settings.seals)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            print(f"{service}: {without_password(mistake)}", file=sys.stderr)  # noqa: T201 (there is no log yet)
        sys.exit(EXIT_MISCONFIGURED)
    configure_logging(service, settings.log_level)
    os.umask(OURS_ALONE)
    last_resort = LastResort()
    status = uvloop.run(_run(service, settings, desk, seals, start, last_resort))
    logging.shutdown()
    sys.exit(status)


def seals_of(service: str, text: Secret | None) -> Seals:
    """The keys of a service: those that it needs, and no other. Raises `ConfigurationError`: how to get them."""
    links = links_of(service)
    if text is None and links:
        raise ConfigurationError(
            [
                f"{PREFIX}SEALS is not set (or {PREFIX}SEALS_FILE, a file of mode 600): without its keys {service} "
                'acts upon nothing. `signalbox secrets make` makes them (docs/nats.md, "Seals").'
            ]
        )
    try:
        return demand(text.reveal() if text is not None else "", links)
    except ConfigurationError as error:
        raise ConfigurationError([f"{PREFIX}SEALS of {service}: {mistake}" for mistake in error.mistakes]) from None


async def _run(
    service: str,
    settings: S,
    desk: Desk,
    seals: Seals,
    start: Callable[[S, Runtime], Awaitable[None]],
    last_resort: LastResort,
) -> int:
    stopping = asyncio.Event()
    _listen_to_signals(stopping, last_resort)
    health = Health(service)
    health.require("started")
    metrics.show_build(service)
    try:
        http = HttpServer(settings.http_host, settings.http_port, health)
    except OSError as error:
        where = f"{settings.http_host}:{settings.http_port}"
        log.error("stopping", extra={"error": f"HTTP can not be served at {where}: {error.strerror or error}"})
        return EXIT_FAILED
    log.info("listening", extra={"http_port": http.port})
    try:
        status = await _serve(service, settings, desk, seals, start, health, stopping, last_resort)
    finally:
        http.close()
    last_resort.within(CLEAN_UP_SECONDS_MAX, status)
    return status


def _listen_to_signals(stopping: asyncio.Event, last_resort: LastResort) -> None:
    """Begin to stop on SIGTERM and SIGINT; the deadline is set outside the event loop, which may not turn any more."""
    loop = asyncio.get_running_loop()

    def told(number: int, frame: FrameType | None) -> None:
        if not last_resort.armed:
            last_resort.within(STOP_SECONDS_MAX, EXIT_FAILED)
        loop.call_soon_threadsafe(stopping.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)


async def _serve(
    service: str,
    settings: S,
    desk: Desk,
    seals: Seals,
    start: Callable[[S, Runtime], Awaitable[None]],
    health: Health,
    stopping: asyncio.Event,
    last_resort: LastResort,
) -> int:
    runtime: Runtime | None = None
    try:
        runtime = await _unless_told(stopping, _open(service, settings, desk, seals, health))
        if runtime is not None:
            starting = asyncio.create_task(_start(start, settings, runtime))
            await _until_stopped(stopping, runtime, starting)
    except SignalboxError as error:
        log.error("stopping", extra={"error": str(error), "kind": type(error).__name__})
        status = EXIT_MISCONFIGURED if isinstance(error, ConfigurationError) else EXIT_FAILED
    except Exception:
        log.exception("stopping")
        status = EXIT_FAILED
    else:
        log.info("draining")
        status = 0
    if not last_resort.armed:
        last_resort.within(STOP_SECONDS_MAX, status)
    if runtime is not None:
        await _end(runtime)
    return status


async def _open(service: str, settings: ServiceSettings, desk: Desk, seals: Seals, health: Health) -> Runtime:
    """Connect, and answer to `signalbox status` from then on."""
    bus = await Bus.connect(
        BusSettings(
            url=settings.nats_url,
            user=settings.nats_user,
            password=settings.nats_password.reveal(),
            name=service,
            ca_file=settings.nats_ca_file,
            seals=seals,
            waits_for_server=True,
        )
    )
    health.look("nats", lambda: "" if bus.connected else "the connection is lost")
    clock = await follow_clock(bus, desk.clock)
    metrics.show_desk_time(service, clock)
    runtime = Runtime(bus, clock, desk, health, logging.getLogger(service))
    bus.on_failure = runtime.fail
    bus.on_room(room_shown(health))
    bus.on_held = lambda condition, reason: health.unmet(condition, reason) if reason else health.met(condition)
    await serve_status(service, bus, clock, health, lambda: runtime.details())
    await serve_discovery(service, bus)
    return runtime


async def _unless_told(stopping: asyncio.Event, opening: Coroutine[Any, Any, T]) -> T | None:
    """The result of `opening`; None = told to stop before there was one."""
    told, opened = asyncio.create_task(stopping.wait()), asyncio.create_task(opening)
    try:
        await asyncio.wait((told, opened), return_when=asyncio.FIRST_COMPLETED)
        return opened.result() if opened.done() else None
    finally:
        told.cancel()
        if not opened.done():
            await _cancel([opened])


async def _start(start: Callable[[S, Runtime], Awaitable[None]], settings: S, runtime: Runtime) -> None:
    await start(settings, runtime)
    _spare_what_stays()
    runtime.health.met("started")
    log.info("started")


def _spare_what_stays() -> None:
    """Leave what the start has made (modules, the rebuilt state) out of garbage collections from now on.

    A full collection of a service's hundred thousand objects stops it for tens of milliseconds, within some order.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD_OBJECTS)


async def _until_stopped(stopping: asyncio.Event, runtime: Runtime, starting: asyncio.Task[None]) -> None:
    """Return when told to stop; raise what failed: the start, a handler, a background task."""
    told = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([told, starting, runtime.failed], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await asyncio.wait([told, runtime.failed], return_when=asyncio.FIRST_COMPLETED)
        if runtime.failed.done():
            runtime.failed.result()
    finally:
        told.cancel()
        starting.cancel()


async def _end(runtime: Runtime) -> None:
    runtime.bus.stop_waiting_for_room()
    if runtime.stop is not None:
        await runtime.stop()
    runtime.end()
    await _cancel(runtime._tasks)
    await runtime.bus.stop_consuming()
    await runtime.give_back()  # after the last word
    await runtime.bus.drain()
    if runtime.failed.done():
        runtime.failed.exception()  # seen: it has been logged


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """End tasks. More than once: `wait_for` of Python 3.11, which nats-py uses, can lose a cancellation
    that comes together with its answer."""
    running = set(tasks)
    for _ in range(CANCELLATIONS_MAX):
        for task in running:
            task.cancel()
        if running:
            _, running = await asyncio.wait(running, timeout=CANCELLATION_SECONDS_MAX)
    for task in running:
        log.warning("a background task does not end", extra={"task": task.get_name()})


def room_shown(health: Health) -> Callable[[str, str], None]:
    """What to do when messages of this process wait for room in a stream: not to be ready, and to say which one."""

    def show(stream: str, problem: str) -> None:
        if problem:
            health.unmet(f"room in {stream}", f"{problem} (docs/runbooks/stream-nearly-full.md)")
            log.error("messages wait for room", extra={"stream": stream, "problem": problem})
        else:
            health.met(f"room in {stream}")
            log.info("there is room again", extra={"stream": stream})

    return show


async def follow_clock(bus: Bus, source: ClockSource) -> DeskClock:
    """The desk's clock; a simulated one follows `clock.desk` from now on."""
    if source is ClockSource.WALL:
        return WallClock()
    clock = FollowingClock()

    async def tick(received: Received) -> None:
        clock.follow(messages.decode(received.payload, ClockTick))

    await bus.subscribe(subjects.CLOCK, tick)
    return clock
