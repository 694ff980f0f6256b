"""The desk from a program in Python: wishes that are decided, orders that are followed, questions that are answered.

    from signalbox.client import Desk

    async with Desk.connect() as desk:
        order = await desk.buy("SPY", 100, limit="430.10", id="my-first-order")
        await order.filled(60)
        print(await desk.positions())

`Blocking` is the same without `async`, for scripts and notebooks. Nothing here is needed: any NATS client can do it
(README, "Use it").
"""

from signalbox.client.blocking import Blocking
from signalbox.client.desk import DeniedError, Desk, UndecidedError
from signalbox.client.order import NotFilledError, Order
from signalbox.client.stored import Stored
from signalbox.client.wishes import away

__all__ = ["Blocking", "DeniedError", "Desk", "NotFilledError", "Order", "Stored", "UndecidedError", "away"]
