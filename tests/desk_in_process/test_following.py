"""What the lists make necessary has an end after each message; where it has none, that is told, and not for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from desk_in_process import orders
from desk_in_process.trade import Trade
from oms.outcome import Outcome, Rules

AT = datetime(2024, 3, 4, 15, tzinfo=UTC)
RULES = Rules(submit_window=timedelta(seconds=30), unknown_grace=timedelta(seconds=15), venues=frozenset({"ibkr"}))


def test_a_step_that_makes_itself_necessary_again_is_a_mistake_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "follow", lambda *_, **__: Outcome())
    with pytest.raises(RuntimeError, match="what the lists make necessary has no end"):
        orders.Orders(Trade(), RULES).follow(AT)
