"""Each fault of the control port, seen from a client; the books stay true under all of them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from ib_async import Contract, LimitOrder, MarketOrder
from simulators.tws.faults import Effect, Faults, Rule
from simulators.tws.kinds import Outbound
from simulators.tws.replies import error, next_valid_id


def order(order_id: int, kind: str = "LMT", price: Any = 50, ref: str = "") -> tuple[Any, ...]:
    contract = (265598, "AAPL", "STK", "", 0, "", "", "SMART", "", "USD", "", "")
    return (3, order_id, *contract, "", "", "BUY", 100, kind, price, "", "", "", "", "", 0, ref, 1, *[""] * 86)


def bars(req_id: int) -> tuple[Any, ...]:
    return (50, 3, req_id, 265598, "", "", "", 0, "", "", "SMART", "", "", "", "", 5, "TRADES", 0, "")


def kinds(client: Any, *wanted: str) -> list[str]:
    return [message[0] for message in client.messages[1:] if message[0] in wanted]


# ------------------------------------------------------------------------------------------------------- the link


async def test_a_dropped_link_closes_one_client_and_leaves_the_others(simulator: Any, wait_until: Any) -> None:
    one, two = await simulator.raw(1), await simulator.raw(2)
    assert (await simulator.do("drop_link", client=1))["dropped"] == 1
    await wait_until(lambda: one.closed)
    two.say(49, 1)
    await two.got(49)


async def test_a_dropped_link_refuses_new_connections_for_a_while(simulator: Any, wait_until: Any) -> None:
    one = await simulator.raw(1)
    await simulator.do("drop_link", refuse_seconds="0.3")
    await wait_until(lambda: one.closed)
    with pytest.raises(ConnectionRefusedError):
        await simulator.raw(1)

    async def again() -> Any:
        while True:
            try:
                return await simulator.raw(1)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)

    await asyncio.wait_for(again(), 5)


async def test_a_half_open_link_takes_bytes_and_answers_nothing(simulator: Any, wait_until: Any) -> None:
    one = await simulator.raw(1)
    await simulator.do("half_open", client=1)
    count = len(one.messages)
    one.say(49, 1)
    one.say(*order(1))
    two = await simulator.raw(2)
    two.say(49, 1)
    await two.got(49)
    assert (len(one.messages), one.closed) == (count, False)
    assert simulator.world.orders() == ()


async def test_the_next_connection_can_be_half_open_from_the_start(simulator: Any) -> None:
    await simulator.do("half_open", client=99, next_connections=1)
    deaf = await simulator.raw()
    deaf.greet()
    other = await simulator.raw(1)
    assert deaf.messages == []
    assert other.messages


async def test_a_lost_link_is_1100_and_stops_bars_until_1102(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    client.say(*bars(1))
    await client.got(50)
    await simulator.do("link_lost")
    await client.error(1100)
    count = len(client.of(50))
    await simulator.do("run_until", time="2024-03-05T15:10:00Z")
    assert len(client.of(50)) == count
    await simulator.do("link_restored", data_lost=False)
    await client.error(1102)
    await simulator.do("set_speed", speed=100)
    await client.got(50, count + 2)


async def test_1101_loses_every_subscription(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*bars(1))
    await client.got(50)
    await simulator.do("link_lost")
    await simulator.do("link_restored", data_lost=True)
    await client.error(1101)
    count = len(client.of(50))
    await simulator.do("run_until", time="2024-03-05T15:10:00Z")
    assert len(client.of(50)) == count
    client.say(*bars(1))
    await simulator.do("set_speed", speed=100)
    await client.got(50, count + 1)


def quotes(req_id: int) -> tuple[Any, ...]:
    """The fields of a reqMktData for AAPL."""
    return (1, 11, req_id, 265598, "", "", "", 0, "", "", "SMART", "", "", "", "", 0, "", 0, 0, "")


async def test_a_competing_session_takes_live_data_with_10197_until_it_is_over(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    client.say(*quotes(1))
    client.say(*bars(2))
    await client.got(50)
    assert (await simulator.do("competing_session"))["subscriptions"] == 2
    assert (await client.error(10197))[2] in ("1", "2")
    ticks, count = len(client.of(1)), len(client.of(50))
    await simulator.do("competing_session", over=True)
    await simulator.do("run_until", time="2024-03-05T15:10:00Z")
    assert (len(client.of(1)), len(client.of(50))) == (ticks, count), "what is not asked for again does not come back"
    await simulator.do("competing_session")
    client.say(*quotes(3))
    await wait_until(lambda: [each for each in client.of(4) if each[2:4] == ["3", "10197"]])
    await simulator.do("competing_session", over=True)
    client.say(*quotes(4))
    await client.got(1, ticks + 1)


@pytest.mark.parametrize("data", ["quote", "bar", "all"])
async def test_subscriptions_are_lost_without_a_word(simulator: Any, data: str) -> None:
    client = await simulator.raw(1)
    client.say(*quotes(1))
    client.say(*bars(2))
    await client.got(50)
    await simulator.do("pause")
    said, ticks, count = len(client.of(4)), len(client.of(1)), len(client.of(50))
    assert (await simulator.do("lose_subscriptions", data=data))["subscriptions"] == (2 if data == "all" else 1)
    await simulator.do("run_until", time="2024-03-05T15:10:00Z")
    client.say(49, 1)
    await client.got(49)
    assert len(client.of(4)) == said
    assert (len(client.of(1)) == ticks) is (data in ("quote", "all"))
    assert (len(client.of(50)) == count) is (data in ("bar", "all"))


async def test_account_figures_and_profit_are_lost_without_a_word(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(6, 2, 1, "DU1234567")
    client.say(92, 7, "DU1234567", "")
    await client.got(54)
    await client.got(94)
    for data in ("account", "pnl"):
        assert (await simulator.do("lose_subscriptions", data=data))["subscriptions"] == 1
    await simulator.do("pause")
    client.say(49, 1)
    await client.got(49)
    before = len(client.of(94)), len(client.of(54))
    await simulator.do("run_until", time="2024-03-05T15:10:00Z")
    client.say(49, 1)
    await client.got(49, 2)
    assert (len(client.of(94)), len(client.of(54))) == before


@pytest.mark.parametrize(
    ("request_fields", "number"),
    [
        ((4, 1, 77, ""), "77"),
        ((5, 1), "-1"),
        ((16, 1), "-1"),
        ((99, 0), "-1"),
        ((58, 1), "-1"),
    ],
)
async def test_under_read_only_api_whatever_is_about_orders_is_refused_and_never_ends(
    simulator: Any, request_fields: tuple[Any, ...], number: str
) -> None:
    client = await simulator.raw(1)
    await simulator.do("read_only")
    client.say(*request_fields)
    refusal = await client.error(321)
    assert refusal[2] == number
    assert "currently in Read-Only mode" in refusal[4]
    client.say(61, 1)
    await client.got(62)
    assert not client.of(53)
    assert not client.of(102)
    await simulator.do("read_only", on=False)
    client.say(16, 1)
    await client.got(53)


async def test_an_order_under_read_only_api_is_refused_under_its_number(simulator: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    await simulator.do("read_only")
    trade = client.ib.placeOrder(aapl, MarketOrder("BUY", 10))
    assert (await client.error(321))[0] == trade.order.orderId
    assert not simulator.world.orders()


async def test_a_farm_may_come_back_without_what_was_subscribed_to(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*bars(1))
    await client.got(50)
    await simulator.do("farm_down")
    await simulator.do("farm_up", data_lost=True)
    await client.error(2104)
    count = len(client.of(50))
    await simulator.do("run_until", time="2024-03-05T15:10:00Z")
    assert len(client.of(50)) == count


async def test_a_farm_goes_down_and_comes_back(simulator: Any) -> None:
    client = await simulator.raw(1)
    await simulator.do("farm_down")
    await client.error(2103)
    later = await simulator.raw(2)
    await later.error(2103)
    await simulator.do("farm_up")
    assert [m[3] for m in client.of(4)][-1] in ("2103", "2104")
    client.say(*bars(1))
    await client.got(50)


async def test_the_history_farm_down_is_2105_and_162(simulator: Any) -> None:
    client = await simulator.raw(1)
    await simulator.do("farm_down", farm="ushmds")
    await client.error(2105)
    contract = (265598, "", "", "", 0, "", "", "SMART", "", "", "", "", 0)
    client.say(20, 9, *contract, "", "1 min", "600 S", 1, "TRADES", 1, 0, "")
    await client.error(162)


async def test_a_bust_ends_live_bars_with_10225(simulator: Any, wait_until: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    got = client.ib.reqRealTimeBars(aapl, 5, "TRADES", False)
    await wait_until(lambda: got)
    assert (await simulator.do("bust"))["subscriptions"] == 1
    await client.error(10225)
    count = len(got)
    await wait_until(lambda: len(got) > count + 1)  # ib_async asks again by itself


# ---------------------------------------------------------------------------------------------------- the messages


async def test_a_message_is_duplicated(simulator: Any) -> None:
    client = await simulator.raw(1)
    await simulator.do("duplicate", kind="currentTime", count=1)
    client.say(49, 1)
    client.say(49, 1)
    assert len(await client.got(49, 3)) == 3


async def test_a_message_is_omitted(simulator: Any) -> None:
    client = await simulator.raw(1)
    await simulator.do("omit", kind="openOrderEnd")
    client.say(5, 1)
    client.say(5, 1)
    client.say(49, 1)
    await client.got(49)
    assert len(client.of(53)) == 1


async def test_a_status_is_omitted_but_the_order_lives(simulator: Any) -> None:
    client = await simulator.raw(1)
    await simulator.do("omit", kind="orderStatus", client=1)
    client.say(*order(1))
    await client.got(5)
    client.say(16, 1)
    await client.got(53)
    assert client.of(3)[-1][2] == "Submitted"


async def test_messages_are_reordered(simulator: Any) -> None:
    client = await simulator.raw(1)
    await simulator.do("reorder", kind="openOrder")
    client.say(*order(1))
    await client.got(5)
    assert kinds(client, "3", "5") == ["3", "5"]


async def test_a_message_is_delayed_and_later_ones_overtake(simulator: Any) -> None:
    client = await simulator.raw(1)
    await simulator.do("delay", kind="openOrderEnd", milliseconds=150, count=1)
    client.say(5, 1)
    client.say(49, 1)
    await client.got(53)
    assert kinds(client, "49", "53") == ["49", "53"]


async def test_any_error_can_be_sent(simulator: Any) -> None:
    client = await simulator.raw(1)
    assert (await simulator.do("error", code=10197, text="No market data during competing live session"))[
        "clients"
    ] == 1
    await client.error(10197)


async def test_clear_forgets_what_is_set(simulator: Any) -> None:
    client = await simulator.raw(1)
    await simulator.do("omit", kind="currentTime", count=100)
    await simulator.do("clear")
    client.say(49, 1)
    await client.got(49)


def test_a_rule_is_for_its_client_and_kind_and_runs_out() -> None:
    faults = Faults()
    faults.add(Rule(Effect.OMIT, Outbound.NEXT_VALID_ID, client=1, remaining=1))
    assert [len(faults.deliver(client, next_valid_id(5))) for client in (2, 1, 1)] == [1, 0, 1]
    assert len(faults.deliver(1, error(-1, 1100, "x"))) == 1


def test_a_held_message_follows_the_next_one() -> None:
    faults = Faults()
    faults.add(Rule(Effect.REORDER, None, client=None, remaining=1))
    assert faults.deliver(1, next_valid_id(1)) == []
    assert [delivery.message[2] for delivery in faults.deliver(1, next_valid_id(2))] == [2, 1]


def test_faults_are_bounded() -> None:
    faults = Faults()
    for _ in range(1000):
        faults.add(Rule(Effect.OMIT, None, None, None))
    with pytest.raises(ValueError, match="clear"):
        faults.add(Rule(Effect.OMIT, None, None, None))


# ------------------------------------------------------------------------------------------------------ the orders


async def test_the_next_valid_id_rolls_back_and_old_ids_work_again(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    client.say(*order(10))
    await client.got(3)
    client.say(4, 1, 10, "")
    await client.error(202)
    await client.end()
    await wait_until(lambda: simulator.server.clients() == [])
    await simulator.do("roll_back_order_ids", client=1, order_id=10)
    again = await simulator.raw(1)
    assert again.of(9)[0][2] == "10"
    again.say(*order(10))
    await again.got(3)
    assert [m for m in again.of(4) if m[3] == "103"] == []
    assert len(simulator.world.orders()) == 2


async def test_the_next_order_is_rejected(simulator: Any, wait_until: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    await simulator.do("reject_next", reason="because")
    trade = client.ib.placeOrder(aapl, LimitOrder("BUY", 100, 50))
    assert (await client.error(201))[2] == "Order rejected - reason:because"
    await wait_until(lambda: trade.orderStatus.status == "Inactive")
    after = client.ib.placeOrder(aapl, LimitOrder("BUY", 100, 50))
    await wait_until(lambda: after.orderStatus.status == "Submitted")


async def test_a_swallowed_reply_hides_an_order_until_it_is_asked_for(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    await wait_until(lambda: simulator.world.quote("AAPL"))
    await simulator.do("swallow_next")
    client.say(*order(1, "MKT", "", ref="lost"))
    client.say(49, 1)
    await client.got(49)
    await wait_until(lambda: simulator.world.executions())
    assert kinds(client, "3", "5", "11") == []
    client.say(7, 3, 5, 0, "", "", "", "", "", "")
    await client.got(55)
    assert "lost" in client.of(11)[0]


async def test_an_execution_can_come_before_its_status(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    await wait_until(lambda: simulator.world.quote("AAPL"))
    await simulator.do("execution_before_status")
    client.say(*order(1, "MKT", ""))
    await client.got(59)
    await wait_until(lambda: client.of(3) and client.of(3)[-1][2] == "Filled")
    assert kinds(client, "3", "5", "11", "59") == ["5", "3", "11", "59", "5", "3"]


async def test_a_commission_can_come_before_its_execution(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    await wait_until(lambda: simulator.world.quote("AAPL"))
    await simulator.do("commission_before_execution")
    client.say(*order(1, "MKT", ""))
    await client.got(11)
    assert kinds(client, "11", "59") == ["59", "11"]


async def test_a_correction_raises_the_revision_and_is_told_from_then_on(
    simulator: Any, wait_until: Any, aapl: Contract
) -> None:
    client = await simulator.connect()
    trade = client.ib.placeOrder(aapl, MarketOrder("BUY", 100))
    await wait_until(lambda: trade.fills)
    first = trade.fills[0].execution.execId
    books = simulator.world.snapshot()
    reply = await simulator.do("correct_execution", execution_id=first, price="123.45")
    assert reply["execution_id"] == first[:-2] + "02"
    await wait_until(lambda: len(trade.fills) == 2)
    assert trade.fills[1].execution.price == 123.45
    raw = await simulator.raw(2)
    raw.say(7, 3, 5, 0, "", "", "", "", "", "")
    await raw.got(55)
    assert [first[:-2] + "02" in message for message in raw.of(11)] == [True]
    assert simulator.world.snapshot() == books


async def test_what_is_corrected_and_charged_anew_is_in_the_books_if_it_is_to_be(
    simulator: Any, wait_until: Any, aapl: Contract
) -> None:
    client = await simulator.connect()
    trade = client.ib.placeOrder(aapl, MarketOrder("BUY", 100))
    await wait_until(lambda: trade.fills and trade.fills[0].commissionReport.execId)
    first, before = trade.fills[0].execution.execId, simulator.world.snapshot()["DU1234567"]
    price, fee = Decimal(str(trade.fills[0].execution.price)), Decimal(str(trade.fills[0].commissionReport.commission))
    await simulator.do("correct_execution", execution_id=first, quantity="60", price=str(price + 1), booked=True)
    await simulator.do("commission", execution_id=first.rpartition(".")[0], amount="7", booked=True)
    after = simulator.world.snapshot()["DU1234567"]
    assert after["positions"] == {"AAPL": "60"}
    moved = Decimal(after["cash"]["USD"]) - Decimal(before["cash"]["USD"])
    assert moved == 100 * price - 60 * (price + 1) + fee - 7
    await wait_until(lambda: [held.position for held in client.ib.positions()] == [60])
    (told,) = (await simulator.do("executions"))["executions"]
    assert (told["quantity"], Decimal(told["price"]), told["commission"]) == ("60", price + 1, "7")
    await simulator.do("correct_execution", execution_id=first, quantity="0", booked=True)
    assert simulator.world.snapshot()["DU1234567"]["positions"] == {}


async def test_another_clients_order_bears_its_number_and_is_not_told_to_others(
    simulator: Any, wait_until: Any
) -> None:
    await wait_until(lambda: simulator.world.quote("AAPL"))
    one, other = await simulator.raw(1), await simulator.raw(33)
    terms = {"symbol": "AAPL", "side": "BUY", "quantity": 100}
    await simulator.do("place_by_hand", client=33, **terms)
    await other.got(59)
    assert [message[22] for message in other.of(11)] == ["33"]
    assert one.of(3) == one.of(11) == []
    with pytest.raises(AssertionError, match="0 or more"):
        await simulator.do("place_by_hand", client=-1, **terms)


async def test_a_completed_order_is_sent_unasked(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw(1)
    await wait_until(lambda: simulator.world.quote("AAPL"))
    client.say(*order(1, "MKT", ""))
    await client.got(59)
    number = simulator.world.orders()[0].number
    await simulator.do("send_completed", number=number)
    await client.got(101)
    assert client.of(102) == []


async def test_a_preset_sends_10349_and_the_order_lives(simulator: Any) -> None:
    client = await simulator.raw(1)
    await simulator.do("preset_next")
    client.say(*order(1))
    await client.error(10349)
    await client.got(3)
    assert client.of(3)[-1][2] == "Submitted"


async def test_an_order_placed_by_hand_is_client_zeros(simulator: Any, wait_until: Any) -> None:
    await wait_until(lambda: simulator.world.quote("AAPL"))
    one, zero = await simulator.raw(1), await simulator.raw(0)
    reply = await simulator.do("place_by_hand", symbol="AAPL", side="BUY", quantity=100, limit_price="50")
    await zero.got(3)
    assert one.of(3) == []
    one.say(16, 1)
    await one.got(53)
    assert one.of(3)[0][6] == str(reply["number"])
    await simulator.do("cancel_by_hand", number=reply["number"])
    await wait_until(lambda: zero.of(3)[-1][2] == "Cancelled")
