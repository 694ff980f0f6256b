"""What the OMS tells a gateway of an order: whether it only reduces, which is all that goes through a halt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from oms import reducing
from signalbox.messages import ModifyOrder, Side, SubmitOrder


def said(desk: Any) -> dict[str, bool]:
    """Of each order that was commanded, or changed, the last word on whether it reduces."""
    found = {}
    for each in desk.commands.values():
        if isinstance(each, SubmitOrder | ModifyOrder):
            found[each.order.order_id] = each.reduces
    return found


@pytest.mark.parametrize(
    ("terms", "reduces"),
    [
        ({"side": Side.BUY}, False),
        ({"side": Side.SELL, "quantity": "100"}, True),
        ({"side": Side.SELL, "quantity": "101"}, False),
        ({"side": Side.SELL, "quantity": "101", "reduce_only": True}, True),
    ],
)
def test_an_order_reduces_that_is_no_more_than_is_held(make: Any, terms: dict[str, Any], reduces: bool) -> None:
    desk = make.desk().run(make.approved(quantity=Decimal(100)), make.accepted("o-1"), make.fill("100"))
    more = terms | ({"quantity": Decimal(terms["quantity"])} if "quantity" in terms else {})
    desk.run(make.approved("o-2", 2, **more))
    assert said(desk) == {"o-1": False, "o-2": reduces}


def test_exits_of_a_list_reduce_and_its_entry_does_not(make: Any) -> None:
    desk = make.desk().run(make.bracket(), make.accepted("b.entry"))
    desk.take(make.fill("100", order_id="b.entry", execution_id="in1"))
    orders = {each.order_id: each.order for each in desk.state.orders.values()}
    stop = replace(orders["b.stop"], reduce_only=False, quantity=Decimal(1000))
    entry = orders["b.entry"]
    assert (reducing.reduces(desk.state, stop), reducing.reduces(desk.state, entry)) == (True, False)


def test_what_excludes_each_other_without_an_entry_reduces_only_what_is_held(make: Any) -> None:
    legs = [
        make.leg("up", "BUY", "STOP", quantity=Decimal(100), stop_price=Decimal(11)),
        make.leg("down", "BUY", "LIMIT", quantity=Decimal(100), limit_price=Decimal(9)),
    ]
    desk = make.desk().run(make.order_list("o", "OCO", *legs))
    assert said(desk) == {"o.up": False, "o.down": False}
