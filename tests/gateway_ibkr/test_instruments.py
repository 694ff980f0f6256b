"""What a sold option binds is told of one account, whoever else asks for the instruments."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gateway_ibkr.facts import MarginSeen, VenueContract
from gateway_ibkr.instruments import Offered, qualify
from gateway_ibkr.state import OwnState, state_of
from signalbox.clock import FixedClock
from signalbox.desk import DeskInstrument
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.parking import Parking
from signalbox.instruments import parse_symbol

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
OPTION = "SPY 240621C00500000"


class Session:
    """Says what an order would bind, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def margin(self, number: int, contract: VenueContract, terms: Any) -> tuple[MarginSeen, ...]:
        self.asked += 1
        return (MarginSeen(initial_change="100"),)


@pytest.mark.parametrize("again", [True, False])
async def test_the_margin_of_a_sold_option_is_asked_for_anew_for_the_first_account_alone(again: bool) -> None:
    desk = SimpleNamespace(instruments=(DeskInstrument(venue="ibkr", symbol=OPTION),))
    instruments = Instruments[Offered](cast(Any, None), cast(Any, desk), "ibkr")
    made = SimpleNamespace(short_margin=100)
    instruments.offered[OPTION] = Offered(parse_symbol(OPTION), VenueContract(), None, cast(Any, made))
    session, state = Session(), state_of("DU1", OwnState(11))
    await qualify(instruments, cast(Any, session), state, FixedClock(AT), Parking("ibkr"), margins_again=again)
    assert session.asked == int(again)
    assert instruments.qualified.is_set()
