"""Which scope `halt` and `resume` name, and what a person is told of it."""

from __future__ import annotations

import pytest
from signalbox.errors import ConfigurationError
from signalbox.messages import SwitchScope, TradingMode
from signalbox_cli.__main__ import build_parser
from signalbox_cli.switching import Named, named, unanswered_switch


def scope(*words: str) -> Named | None:
    return named(build_parser(["halt"]).parse_args(["halt", "why", *words]))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), None),
        (("--venue", "dydx"), Named(SwitchScope.VENUE, "dydx")),
        (("--account", "DU1"), Named(SwitchScope.ACCOUNT, "", "DU1")),
        (("--strategy", "trend"), Named(SwitchScope.STRATEGY, strategy="trend")),
        (("--symbol", "SPY"), Named(SwitchScope.SYMBOL, "ibkr", "", "SPY")),
        (("--symbol", "BTC-USD", "--account", "a-0"), Named(SwitchScope.SYMBOL, "dydx", "a-0", "BTC-USD")),
        (("--symbol", "SPY", "--venue", "other"), Named(SwitchScope.SYMBOL, "other", "", "SPY")),
    ],
)
def test_what_is_named_most_narrowly_is_switched(words: tuple[str, ...], wanted: Named | None) -> None:
    assert scope(*words) == wanted


@pytest.mark.parametrize("other", [("--venue", "ibkr"), ("--account", "DU1"), ("--symbol", "SPY")])
def test_a_strategy_is_switched_wherever_it_trades(other: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="wherever it trades"):
        scope("--strategy", "trend", *other)


def test_a_scope_that_the_oms_has_not_switched_yet_is_said_and_what_needs_no_oms() -> None:
    told = unanswered_switch("in SPY at ibkr DU1", TradingMode.HALTED, "b-1")
    assert told.startswith(
        "trading in SPY at ibkr DU1 is not HALTED yet: all but the desk is switched by the OMS, which"
    )
    assert "b-1 is stored, and in force once the OMS runs again" in told
    assert "`signalbox halt WHY` of the whole desk" in told
    assert "signalbox halt" not in unanswered_switch("at dydx", TradingMode.ACTIVE, "b-1")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Named(SwitchScope.VENUE), "at ibkr"),
        (Named(SwitchScope.ACCOUNT), "in account DU1 at ibkr"),
        (Named(SwitchScope.SYMBOL, symbol="SPY"), "in SPY at ibkr DU1"),
        (Named(SwitchScope.STRATEGY, strategy="trend"), "of strategy trend"),
    ],
)
def test_what_was_switched_is_told(wanted: Named, told: str) -> None:
    assert wanted.in_words("ibkr", "DU1") == told
