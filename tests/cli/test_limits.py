"""`signalbox limits`: what its words become, and what is sent of it, without a desk."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from signalbox.desk import load_desk
from signalbox.errors import ConfigurationError
from signalbox.limits import Scope, name_of, of_desk_file
from signalbox.messages import LimitsByScope, LimitsRefused, LimitsSet
from signalbox_cli import limit_versions, limits
from signalbox_cli.__main__ import build_parser
from signalbox_cli.limit_versions import desk_of, in_force, named
from signalbox_cli.limits import _may_be_sent, _tell, _told, _Wanted, with_changes
from signalbox_cli.telling import TOLD

DESK_FILE = Path(__file__).resolve().parents[2] / "deploy" / "desk.toml"
DESK = load_desk(DESK_FILE)
AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
BEFORE = LimitsByScope(desk={"order_quantity_max": Decimal(5), "open_orders_max": Decimal(3)})


def parsed(*words: str) -> argparse.Namespace:
    return build_parser(["limits"]).parse_args(["limits", *words])


def version(number: int, limits: LimitsByScope = BEFORE, desk_file: str = "") -> LimitsSet:
    return LimitsSet(
        id=f"limits/{number}", at=AT, cause=f"l-{number}", version=number, limits=limits, by="olga", reason="why",
        desk_file=desk_file or name_of(DESK.limits),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("word", "scope"),
    [
        ("desk", (Scope.DESK, "")),
        ("venue:ibkr", (Scope.VENUE, "ibkr")),
        ("asset_class:OPTION", (Scope.ASSET_CLASS, "OPTION")),
        ("strategy:a:b", (Scope.STRATEGY, "a:b")),
        ("symbol:700", (Scope.SYMBOL, "0700.HK")),
    ],
)
def test_a_scope_is_a_word_and_a_name(word: str, scope: tuple[Scope, str]) -> None:
    assert parsed("set", word, "order_quantity_max=5", "--reason", "r").scope == scope


@pytest.mark.parametrize(
    "words",
    [
        ("set", "desk:x", "order_quantity_max=5"),
        ("set", "venue", "order_quantity_max=5"),
        ("set", "venue:", "order_quantity_max=5"),
        ("set", "sector:tech", "order_quantity_max=5"),
        ("set", "desk", "order_quantity=5"),
        ("set", "desk", "order_quantity_max="),
        ("set", "desk", "order_quantity_max=many"),
    ],
)
def test_what_is_no_scope_or_limit_is_said(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parsed(*words, "--reason", "r")
    assert end.value.code == 2
    assert "write " in capsys.readouterr().err or "number" in words[-1] or words[-1].endswith("many")


def test_some_limits_of_a_scope_are_changed_and_the_rest_is_kept() -> None:
    changed = with_changes(BEFORE, Scope.DESK, "", [("order_quantity_max", Decimal(4)), ("open_orders_max", None)])
    assert changed == LimitsByScope(desk={"order_quantity_max": Decimal(4)})
    added = with_changes(BEFORE, Scope.SYMBOL, "SPY", [("order_quantity_max", Decimal(1))])
    assert added.symbol == {"SPY": {"order_quantity_max": Decimal(1)}}
    assert added.desk == BEFORE.desk
    assert with_changes(added, Scope.SYMBOL, "SPY", [("order_quantity_max", None)]) == BEFORE


def wanted(**desk: int) -> _Wanted:
    numbers = {name: Decimal(value) for name, value in desk.items()}
    return _Wanted(LimitsByScope(desk={**BEFORE.desk, **numbers}), 3, BEFORE)


def test_what_tightens_is_sent_and_what_loosens_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _may_be_sent(wanted(order_quantity_max=4), None, loosen=False) is False
    assert _may_be_sent(wanted(order_quantity_max=6), None, loosen=True) is True
    monkeypatch.setattr("sys.stdin", Typed("yes\n", is_terminal=False))
    assert _may_be_sent(wanted(order_quantity_max=6), None, loosen=False) is None
    told = capsys.readouterr().err
    assert "looser: desk order_quantity_max: 5 -> 6" in told
    assert "say --loosen" in told
    for answer, sent in (("yes\n", True), ("no\n", None), ("", None), ("y\n", None)):
        monkeypatch.setattr("sys.stdin", Typed(answer, is_terminal=True))
        assert _may_be_sent(wanted(order_quantity_max=6), None, loosen=False) is sent


class Typed:
    """What a person writes."""

    def __init__(self, text: str, *, is_terminal: bool) -> None:
        self.text, self.is_terminal = text, is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    def readline(self) -> str:
        return self.text


def test_a_set_with_mistakes_is_not_sent() -> None:
    with pytest.raises(ConfigurationError) as caught:
        _may_be_sent(wanted(order_quantity_max=0, open_orders_max=-1), DESK, loosen=True)
    assert len(caught.value.mistakes) == 2


def test_what_risk_says_is_told_and_is_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    tight = wanted(order_quantity_max=4)
    assert _tell(version(4, tight.limits), "l-4", tight, as_json=False) == 0
    assert capsys.readouterr().out == (
        "desk order_quantity_max: 5 -> 4\nversion 4 holds from the next intent on, set by olga\n"
    )
    refused = LimitsRefused(id="limits/l-4", at=AT, cause="l-4", version=3, by="olga", reason="it is not")
    assert _tell(refused, "l-4", tight, as_json=False) == 3
    assert "refused: it is not" in capsys.readouterr().err
    assert _tell(None, "l-4", tight, as_json=False) == 4
    assert "the proposal l-4 is stored, but risk has not answered within 10 s" in capsys.readouterr().err


def test_who_takes_a_limit_out_of_the_desk_is_told_what_that_denies(capsys: pytest.CaptureFixture[str]) -> None:
    without = LimitsByScope(desk={"order_quantity_max": Decimal(5)})
    _tell(version(4, without), "l-4", _Wanted(without, 3, BEFORE), as_json=False)
    assert "the desk itself states no open_orders_max: what no other scope states is denied" in capsys.readouterr().out


def test_a_version_is_told_with_who_and_why() -> None:
    assert _told(0, None) == "version 0: those of the desk file"
    assert _told(4, version(4)) == "version 4, set by olga at 2026-01-05 15:00:00 UTC: why"


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[LimitsSet]:
    """The versions that the recorder has, the newest first."""
    found: list[LimitsSet] = []

    async def versions(bus: Any, last: int = 0) -> list[LimitsSet]:
        return found

    monkeypatch.setattr(limit_versions, "versions", versions)
    return found


BUS: Any = None


async def test_before_anybody_has_set_limits_the_desk_files_hold(recorded: list[LimitsSet]) -> None:
    assert await in_force(BUS, DESK) == (0, of_desk_file(DESK.limits), None)
    with pytest.raises(ConfigurationError, match="--desk"):
        await in_force(BUS, None)


async def test_the_newest_version_holds(recorded: list[LimitsSet]) -> None:
    recorded += [version(2), version(1)]
    assert await in_force(BUS, DESK) == (2, BEFORE, recorded[0])
    assert await in_force(BUS, None) == (2, BEFORE, recorded[0])


async def test_where_the_desk_file_was_changed_since_it_holds_too(recorded: list[LimitsSet]) -> None:
    recorded.append(version(1, desk_file="another"))
    number, found, _ = await in_force(BUS, DESK)
    assert number == 1
    assert found.desk == {**of_desk_file(DESK.limits).desk, **BEFORE.desk}


async def test_a_version_is_named_by_its_number_or_a_file(recorded: list[LimitsSet], tmp_path: Path) -> None:
    recorded.append(version(7))
    assert await named(BUS, "7", DESK) == BEFORE
    assert await named(BUS, "0", DESK) == of_desk_file(DESK.limits)
    file = tmp_path / "some.toml"
    file.write_text("[desk]\norder_quantity_max = 5\nopen_orders_max = 3")
    assert await named(BUS, str(file), DESK) == BEFORE
    with pytest.raises(ConfigurationError, match="there is no version 8"):
        await named(BUS, "8", DESK)


def test_the_desk_file_is_the_one_that_is_named() -> None:
    assert desk_of(None, None) is None
    assert desk_of(DESK_FILE, Path("/nowhere")) == desk_of(None, DESK_FILE) == DESK


def test_what_is_watched_is_a_line() -> None:
    said: dict[str, Any] = {"type": "LimitsSet", "version": 4, "by": "olga", "reason": "earnings"}
    assert TOLD["LimitsSet"](said) == "LIMITS  version 4 set by olga: earnings"
    refused = {**said, "type": "LimitsRefused"}
    assert TOLD["LimitsRefused"](refused) == "LIMITS  version 4 stays, refused to olga: earnings"


def test_the_use_of_limits_is_read_from_what_risk_says() -> None:
    assert limits.USE == "limit use "
