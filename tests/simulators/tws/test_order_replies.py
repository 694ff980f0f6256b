"""Open and completed orders are read by the real client field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ib_async.decoder import Decoder
from simulators.listings import listing_of
from simulators.tws.order_replies import MarginFacts, OrderFacts, completed_order, open_order
from simulators.tws.wire import text_of

FIELDS = {
    "action": "SELL",
    "totalQuantity": "250",
    "orderType": "LMT",
    "lmtPrice": "190.5",
    "tif": "GTD",
    "goodTillDate": "20240305 20:00:00 UTC",
    "account": "DU1",
    "orderRef": "mine",
    "outsideRth": "1",
}
FACTS = OrderFacts(
    7, 3, 1_000_001, listing_of("AAPL"), FIELDS, "Submitted", Decimal(50), "20240305 15:00:00 UTC", "Done"
)


class Read:
    """What the decoder calls; keeps the arguments."""

    def openOrder(self, *arguments: Any) -> None:
        self.arguments = arguments

    def completedOrder(self, *arguments: Any) -> None:
        self.arguments = arguments


def read(message: tuple[Any, ...]) -> tuple[Any, ...]:
    wrapper = Read()
    Decoder(wrapper, 178).interpret([text_of(value) for value in message])
    return wrapper.arguments


def test_an_open_order_is_read_whole() -> None:
    order_id, contract, order, state = read(open_order(FACTS))
    assert (order_id, order.clientId, order.permId, order.account) == (7, 3, 1_000_001, "DU1")
    assert (order.action, order.totalQuantity, order.orderType, order.lmtPrice) == ("SELL", 250, "LMT", 190.5)
    assert (order.tif, order.goodTillDate, order.orderRef) == ("GTD", "20240305 20:00:00 UTC", "mine")
    assert (order.outsideRth, order.whatIf) == (True, False)
    assert (contract.conId, contract.symbol, contract.right) == (265598, "AAPL", "?")
    assert state.status == "Submitted"
    assert order.competeAgainstBestOffset == 1.7976931348623157e308  # the last fields are where they belong


def test_a_whatif_answer_has_its_margins() -> None:
    column = (Decimal(1), Decimal("2.5"), Decimal("3.5"))
    margin = MarginFacts(column, column, column, Decimal("1.25"), "USD", "careful")
    _, _, order, state = read(open_order(FACTS, margin))
    assert order.whatIf
    assert (state.initMarginBefore, state.maintMarginChange, state.equityWithLoanAfter) == ("1", "2.5", "3.5")
    assert (state.commission, state.commissionCurrency, state.warningText) == (1.25, "USD", "careful")


def test_a_completed_order_is_read_whole() -> None:
    contract, order, state = read(completed_order(FACTS))
    assert (order.permId, order.orderRef, order.filledQuantity) == (1_000_001, "mine", 50)
    assert (state.status, state.completedTime, state.completedStatus) == ("Submitted", "20240305 15:00:00 UTC", "Done")
    assert (contract.conId, order.lmtPrice, order.parentPermId) == (265598, 190.5, 0)


def test_the_messages_are_as_long_as_the_real_ones() -> None:
    assert (len(open_order(FACTS)), len(completed_order(FACTS))) == (135, 100)
