"""`signalbox whatif`: the words of the commands that send, and nothing is sent."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from risk.facts import Request
from risk.what_if import what_if
from signalbox import messages, subjects
from signalbox.errors import BusUnavailableError, ConfigurationError, QuestionRefusedError
from signalbox.messages import (
    FlattenIntent,
    Intent,
    ModifyIntent,
    OrderIntent,
    OrderListIntent,
    PositionIntent,
    WhatIfAnswer,
    WouldBe,
)
from signalbox_cli import bracket, flattening, modifying, positioning, trading, whatif
from signalbox_cli.commands import EXIT_DENIED, EXIT_NO_ANSWER
from signalbox_cli.verdicts import show_what_if

from tests.risk.conftest import World

MODULES = (trading, bracket, positioning, modifying, flattening)


class AskedOnly:
    """A connection on which only a question gets through: whatever would send anything fails."""

    def __init__(self, answer: Callable[[Intent], WhatIfAnswer]) -> None:
        self.asked: list[Intent] = []
        self._answer = answer

    async def request(self, subject: str, payload: bytes, *_: Any, **__: Any) -> bytes:
        assert subject == subjects.WHAT_IF
        self.asked.append(messages.decode(payload, Intent))
        return messages.encode(self._answer(self.asked[-1]))


@pytest.fixture
def w() -> World:
    return World().ready()


@pytest.fixture
def bus(w: World, monkeypatch: pytest.MonkeyPatch) -> AskedOnly:
    """Every command that sends meets this connection, and a desk that is `w`."""
    bus = AskedOnly(lambda intent: what_if(w.state, Request(sequence=0, intent=intent, by="user"), w.now))

    @asynccontextmanager
    async def desk_bus(**_: Any) -> Any:
        yield bus, SimpleNamespace(user="user", desk_file=None)

    async def desk_time(*_: Any, **__: Any) -> Any:
        return w.now

    async def where_it_is(*_: Any) -> trading.Place:
        return trading.Place("ibkr", "SPY", "", False)

    for module in MODULES:
        monkeypatch.setattr(module, "desk_bus", desk_bus)
        monkeypatch.setattr(module, "desk_time", desk_time)
    for module in (trading, modifying):
        monkeypatch.setattr(module, "where_it_is", where_it_is)
    return bus


async def ask(*words: str) -> int:
    return await whatif._whatif(argparse.Namespace(words=list(words)))


@pytest.mark.parametrize(
    ("words", "kind", "status"),
    [
        ("buy 100 SPY --limit 100", OrderIntent, 0),
        ("sell 100 SPY --limit 90", OrderIntent, EXIT_DENIED),
        ("intent buy 5000 SPY", OrderIntent, EXIT_DENIED),
        ("bracket buy 100 SPY --stop 90 --target 110", OrderListIntent, 0),
        ("target SPY 50", PositionIntent, 0),
        ("position open_long SPY 5000", PositionIntent, EXIT_DENIED),
        ("modify nobody-s --quantity 5", ModifyIntent, EXIT_DENIED),
        ("cancel nobody-s", messages.CancelIntent, EXIT_DENIED),
        ("cancel --all", messages.MassCancelIntent, 0),
        ("flatten --symbol SPY", FlattenIntent, 0),
    ],
)
async def test_the_words_of_a_command_ask_what_it_would_send(
    bus: AskedOnly, words: str, kind: type[Intent], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await ask(*words.split()) == status
    [asked] = bus.asked
    assert isinstance(asked, kind)
    told = capsys.readouterr().out
    assert told.startswith("would be denied: " if status else "would be approved: ")
    assert told.endswith("(asked only: nothing was sent)\n")


@pytest.mark.parametrize("words", [["halt"], ["books", "list"], ["whatif", "buy"], []])
def test_nothing_else_can_be(words: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"ask(ed|ing) about"):
        whatif.asked_about(words)


async def test_what_would_pass_is_told_and_json_has_every_digit(
    bus: AskedOnly, capsys: pytest.CaptureFixture[str]
) -> None:
    await ask("buy", "1500", "SPY", "--limit", "100")
    assert "    the largest quantity: 1000\n" in capsys.readouterr().out
    await ask("buy", "1500", "SPY", "--limit", "100", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["would_be"], told["would_pass"]) == ("DENIED", {"quantity": "1000"})


async def test_a_wish_that_would_wait_is_told(w: World, bus: AskedOnly, capsys: pytest.CaptureFixture[str]) -> None:
    w.link(messages.LinkStatus.DOWN)
    assert await ask("target", "SPY", "5", "--valid-until", "2024-01-02T18:00:00Z") == EXIT_NO_ANSWER
    assert capsys.readouterr().out.startswith("would wait: ibkr is away")


async def test_no_answer_is_no_verdict(w: World, capsys: pytest.CaptureFixture[str]) -> None:
    class Silent:
        async def request(self, *_: Any, **__: Any) -> bytes:
            raise BusUnavailableError("nobody answered")

    order = w.order()
    assert await whatif.ask_and_report(Silent(), order, argparse.Namespace(json=False)) == EXIT_NO_ANSWER  # type: ignore[arg-type]
    assert "risk does not answer" in capsys.readouterr().err
    refusing = AskedOnly(lambda _: WhatIfAnswer(would_be=WouldBe.UNKNOWN, error="user has asked too often"))
    with pytest.raises(QuestionRefusedError, match="too often"):
        await whatif.ask_and_report(refusing, order, argparse.Namespace(json=False))  # type: ignore[arg-type]


def test_a_target_that_is_met_is_nothing_to_do(w: World, capsys: pytest.CaptureFixture[str]) -> None:
    intent = w.position("TARGET", "0")
    show_what_if(what_if(w.state, Request(sequence=0, intent=intent, by="user"), w.now), intent)
    assert "nothing to do, the position is there already" in capsys.readouterr().out
