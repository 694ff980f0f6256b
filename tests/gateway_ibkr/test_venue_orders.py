"""An order written out before it may be sent."""

from __future__ import annotations

from gateway_ibkr.facts import OrderTerms, VenueContract
from gateway_ibkr.venue import ORDERS, Endpoint, Session
from gateway_ibkr.venue_orders import OrdersSession

ENDPOINT = Endpoint(name=ORDERS, host="127.0.0.1", port=0, client_id=1, connect_seconds_max=1.0, answer_seconds_max=1.0)
CONTRACT = VenueContract(con_id=756733, symbol="SPY", security_type="STK", exchange="SMART", currency="USD")


def terms(reference: str, limit_price: float | None = None) -> OrderTerms:
    kind = "LMT" if limit_price is not None else "MKT"
    return OrderTerms(
        action="BUY",
        quantity=1.0,
        order_type=kind,
        time_in_force="DAY",
        account="DU1",
        reference=reference,
        limit_price=limit_price,
    )


async def test_nothing_of_an_order_that_was_written_before_is_in_the_next_one() -> None:
    session = Session(ENDPOINT, lambda fact: None)
    session.client._serverVersion = 176
    orders = OrdersSession(session)
    first = orders.compose(1, CONTRACT, terms("o-1", 470.1))
    second = orders.compose(2, CONTRACT, terms("o-2"))
    assert "o-1" in first
    assert second == OrdersSession(session).compose(2, CONTRACT, terms("o-2"))
    assert "470.1" not in second


async def test_an_order_is_written_in_the_words_of_the_server_that_is_there_now() -> None:
    session = Session(ENDPOINT, lambda fact: None)
    orders = OrdersSession(session)  # as soon as the session is made, before the server has said its version
    session.client._serverVersion = 176
    late = orders.compose(1, CONTRACT, terms("o-1"))
    session.client._serverVersion = 157
    assert orders.compose(1, CONTRACT, terms("o-1")) != late
