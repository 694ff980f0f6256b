"""The same for scripts and notebooks: each call returns when it is done, on an event loop of its own.

    from signalbox.client import Blocking, Desk

    with Blocking(Desk.connect()) as desk:
        order = desk.buy("SPY", 100)
        order.filled(60)

What a method of `Desk` or `Order` does, and what it raises, is theirs; an `async for` of theirs is a `for` here.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

TURNS_AT_LAST = 5


class Blocking:
    """Anything with coroutines, with each of them as a plain call. Use it in a `with`."""

    def __init__(self, opening: AbstractAsyncContextManager[Any]) -> None:
        self._opening = opening
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="signalbox-client", daemon=True)

    def __enter__(self) -> Any:
        self._thread.start()
        try:
            return _Plain(self._run(self._opening.__aenter__()), self._run)
        except BaseException:
            self._end()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._run(self._opening.__aexit__(kind, error, traceback))
        finally:
            self._end()

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Have the loop do it; interrupted (Ctrl-C), it is ended there as well."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _end(self) -> None:
        """Let what has been closed be gone, and end the loop."""
        self._run(_last_turns())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _last_turns() -> None:
    """End what still runs; a connection that was closed is gone some turns later."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    for _ in range(TURNS_AT_LAST):
        await asyncio.sleep(0)


class _Plain:
    """A `Desk` or an `Order` whose coroutines are calls."""

    def __init__(self, of: Any, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._of, self._run = of, run

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if inspect.iscoroutinefunction(found):

            @functools.wraps(found)
            def call(*arguments: Any, **named: Any) -> Any:
                result = self._run(found(*arguments, **named))
                return self if result is self._of else _plain(result, self._run)

            return call
        if inspect.isasyncgenfunction(found):

            @functools.wraps(found)
            def each(*arguments: Any, **named: Any) -> Iterator[Any]:
                return _each(found(*arguments, **named), self._run)

            return each
        return found

    def __repr__(self) -> str:
        return repr(self._of)


def _plain(result: Any, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> Any:
    if type(result) is tuple:
        return tuple(_plain(each, run) for each in result)
    has_coroutines = type(result).__module__.startswith("signalbox.client.")
    return _Plain(result, run) if has_coroutines else result


def _each(coming: AsyncIterator[Any], run: Callable[[Coroutine[Any, Any, Any]], Any]) -> Iterator[Any]:
    async def one() -> Any:
        return await anext(coming)

    try:
        while True:
            try:
                yield run(one())
            except StopAsyncIteration:
                return
    finally:
        run(coming.aclose())  # type: ignore[attr-defined]  # an iterator made by `async def` has it
