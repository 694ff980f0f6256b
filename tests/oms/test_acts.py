"""An operator's acts on the books: given books, when an act comes, then it is booked once, exactly, or refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from oms.positions import plain
from oms.state import State, SymbolBook
from oms.statements import Mark, book_message, position_message
from signalbox.messages import (
    Act,
    AdoptCash,
    AdoptPosition,
    BookInterest,
    BooksActRefused,
    BooksAdjusted,
    CorrectCash,
    CorrectPosition,
    PayDividend,
    PositionHeld,
    RenameSymbol,
    Side,
    SplitPosition,
    VenueSnapshot,
)

from tests.oms.forgetful import LITTLE, ForgetfulDesk

D = Decimal
KEY = ("ibkr", "DU1")


def act(make: Any, kind: type[Any], number: int = 1, hours: float = 24, **fields: Any) -> Any:
    given = {"venue": "ibkr", "account": "DU1", "reason": "the company has said so", "by": "anna"}
    if kind is SplitPosition:
        given["effective_at"] = make.at + timedelta(hours=12)
    return kind(id=f"act-{number}", at=make.at + timedelta(hours=hours), **(given | fields))


def snapshot(make: Any, hours: float = 23, **fields: Any) -> VenueSnapshot:
    given: dict[str, Any] = {
        "id": f"report/ibkr/DU1/snapshot/{hours}",
        "at": make.at + timedelta(hours=hours),
        "venue": "ibkr",
        "account": "DU1",
        "currency": "USD",
        "cash": D(100_000),
        "positions": (),
        "open_orders": (),
        "execution_ids": (),
    }
    return VenueSnapshot(**(given | fields))


def books(make: Any, *fills: Any) -> Any:
    """A desk with an account of 100,000 USD and these fills."""
    return make.desk().run(snapshot(make, hours=-1), *fills)


def bought(make: Any, quantity: str = "100", price: str = "30", number: int = 1, **fields: Any) -> Any:
    return make.fill(quantity, price, order_id="", execution_id=f"e{number}", venue_order_id=f"v{number}", **fields)


def held(desk: Any, symbol: str = "AAPL") -> SymbolBook:
    found: SymbolBook = desk.state.accounts[KEY].symbols[symbol]
    return found


def figures(desk: Any, symbol: str = "AAPL") -> tuple[str, str, str]:
    holding = held(desk, symbol).holding
    return plain(holding.quantity), plain(holding.average_price()), plain(holding.realized_pnl(D(1)))


def cash(desk: Any, currency: str = "USD") -> str:
    return plain(desk.state.accounts[KEY].cash[currency])


def refused(desk: Any, said: Act) -> str:
    """Why an act is refused; nothing else of the books has changed then."""
    before = {name: replace_nothing(book) for name, book in desk.state.accounts[KEY].symbols.items()}
    money = dict(desk.state.accounts[KEY].cash)
    [event] = desk.take(said).events
    assert isinstance(event, BooksActRefused)
    assert {name: replace_nothing(book) for name, book in desk.state.accounts[KEY].symbols.items()} == before
    assert desk.state.accounts[KEY].cash == money
    return event.reason


def replace_nothing(book: SymbolBook) -> tuple[Any, ...]:
    return book.holding, book.income, tuple(book.execution_ids)


# -------------------------------------------------------------------------------------------------------------- splits


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        ((4, 1), ("400", "7.5", "0")),  # 100 at 30 = 3,000; 400 at 7.50 = 3,000
        ((3, 2), ("150", "20", "0")),
        ((1, 10), ("10", "300", "0")),
        ((7, 1), ("700", "4.28571428571428571429", "0")),
    ],
)
def test_a_split_keeps_what_was_paid(make: Any, ratio: tuple[int, int], expected: tuple[str, str, str]) -> None:
    desk = books(make, bought(make))
    desk.take(act(make, SplitPosition, symbol="AAPL", numerator=D(ratio[0]), denominator=D(ratio[1])))
    assert figures(desk) == expected
    assert held(desk).holding.cost == 3000
    assert cash(desk) == "97000"


def test_a_short_position_is_split_too(make: Any) -> None:
    desk = books(make, bought(make, side=Side.SELL))
    desk.take(act(make, SplitPosition, symbol="AAPL", numerator=D(2), denominator=D(1)))
    assert figures(desk) == ("-200", "15", "0")
    desk.take(bought(make, "200", "14", 2, seconds=90_000))
    assert figures(desk) == ("0", "0", "200")


def test_what_was_traded_before_a_split_is_in_old_shares_whenever_it_is_told(make: Any) -> None:
    desk = books(make, bought(make, "100", "30"))
    after = bought(make, "-100".lstrip("-"), "16", 2, side=Side.SELL, seconds=13 * 3600)  # in new shares
    desk.run(after, act(make, SplitPosition, symbol="AAPL", numerator=D(2), denominator=D(1)))
    assert figures(desk) == ("100", "15", "100")  # 200 at 15, of which 100 were sold at 16
    [event] = [each for each in desk.log if isinstance(each, BooksAdjusted)]
    assert [change.moved for change in event.changes] == [100]
    desk.take(bought(make, "50", "36", 3, seconds=3600))  # told a day late: 50 old ones at 36 are 100 new ones at 18
    # 300 of 200 x 15 + 100 x 18 = 4,800, 16 each; 100 sold at 16
    assert figures(desk) == ("200", "16", "0")


def test_a_fill_of_before_the_split_is_corrected_in_old_shares(make: Any) -> None:
    desk = books(make, bought(make, "100", "30"), bought(make, "10", "40", 2))
    desk.take(act(make, SplitPosition, symbol="AAPL", numerator=D(2), denominator=D(1)))
    assert figures(desk)[0] == "220"
    bust = bought(make, "0", "40", 2)
    desk.take(replace(bust, id="bust", fill=replace(bust.fill, revision=2)))
    assert figures(desk) == ("200", "15", "0")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"numerator": D(0)}, "the ratio is above 0, not 0"),
        ({"denominator": D(-1)}, "the ratio is above 0, not -1"),
        ({"denominator": D(3)}, "is no number with an end"),
        ({"symbol": "MSFT"}, "the desk has never held MSFT in DU1"),
        ({"hours": 11}, "which is not yet"),
        ({"reason": " "}, "it says no reason"),
        ({"by": ""}, "nobody knows who sent it"),
    ],
)
def test_a_split_that_can_not_be_booked_is_refused(make: Any, fields: dict[str, Any], said: str) -> None:
    desk = books(make, bought(make))
    given = {"symbol": "AAPL", "numerator": D(1), "denominator": D(2)} | fields
    assert said in refused(desk, act(make, SplitPosition, **given))


def test_a_split_while_orders_work_is_refused_unless_they_are_left_to_the_venue(make: Any) -> None:
    desk = books(make, bought(make)).run(make.approved(), make.accepted())
    split = {"symbol": "AAPL", "numerator": D(2), "denominator": D(1)}
    assert "1 orders work in AAPL (o-1): cancel them first" in refused(desk, act(make, SplitPosition, **split))
    [event] = desk.take(act(make, SplitPosition, 2, keep_orders=True, **split)).events
    assert event.left_orders == ("o-1",)
    assert figures(desk)[0] == "200"


def test_a_price_of_before_the_split_is_no_mark_of_what_is_held_after_it(make: Any) -> None:
    desk = books(make, bought(make))
    book = desk.state.accounts[KEY]
    old, new = (Mark(D(price), make.at + timedelta(hours=hours), "bar") for price, hours in ((40, 11), (20, 12)))
    assert position_message(book, "AAPL", old).unrealized_pnl == 1000
    desk.take(act(make, SplitPosition, symbol="AAPL", numerator=D(2), denominator=D(1)))
    assert position_message(book, "AAPL", old).mark_price is None
    assert position_message(book, "AAPL", new).unrealized_pnl == 1000


# ----------------------------------------------------------------------------------------------- dividends and interest


@pytest.mark.parametrize(
    ("side", "fields", "expected"),
    [
        (Side.BUY, {}, "25"),  # 100 x 0.25
        (Side.SELL, {}, "-25"),
        (Side.BUY, {"quantity": D(60)}, "15"),
        (Side.BUY, {"quantity": D(-40)}, "-10"),
    ],
)
def test_who_is_long_gets_a_dividend_and_who_is_short_pays_it(
    make: Any, side: Side, fields: dict[str, Any], expected: str
) -> None:
    desk = books(make, bought(make, side=side))
    before = D(cash(desk))
    desk.take(act(make, PayDividend, symbol="AAPL", amount_per_share=D("0.25"), **fields))
    assert D(cash(desk)) - before == D(expected)
    message = position_message(desk.state.accounts[KEY], "AAPL", None)
    assert (message.income, message.realized_pnl, message.quantity) == (D(expected), 0, 100 * side.sign)
    assert book_message(desk.state.accounts[KEY]).income == D(expected)


def test_a_dividend_in_another_currency_moves_that_cash(make: Any) -> None:
    desk = books(make, bought(make))
    desk.take(act(make, PayDividend, symbol="AAPL", amount_per_share=D("0.1"), currency="EUR"))
    assert (cash(desk, "EUR"), cash(desk)) == ("10", "97000")
    assert held(desk).income == 0  # a position states one currency


def test_interest_on_what_is_borrowed_is_income_of_its_symbol(make: Any) -> None:
    desk = books(make, bought(make, side=Side.SELL))
    desk.take(act(make, BookInterest, currency="USD", amount=D("-1.37"), symbol="AAPL"))
    desk.take(act(make, BookInterest, 2, currency="USD", amount=D("0.5")))
    assert (cash(desk), held(desk).income) == ("102999.13", D("-1.37"))
    assert book_message(desk.state.accounts[KEY]).income == D("-0.87")


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        (PayDividend, {"symbol": "AAPL", "amount_per_share": D(0)}, "a dividend is above 0"),
        (PayDividend, {"symbol": "AAPL", "amount_per_share": D(1), "currency": "usd"}, "'usd' is no currency"),
        (PayDividend, {"symbol": "MSFT", "amount_per_share": D(1)}, "never held MSFT"),
        (BookInterest, {"currency": "USD", "amount": D(0)}, "an amount of 0 changes nothing"),
        (BookInterest, {"currency": "USD", "amount": D(1), "symbol": "MSFT"}, "never held MSFT"),
        (CorrectCash, {"currency": "USD", "amount": D(0)}, "an amount of 0 changes nothing"),
        (CorrectCash, {"currency": "", "amount": D(1)}, "is no currency"),
        (CorrectPosition, {"symbol": "AAPL", "quantity": D(0), "price": D(1)}, "corrects nothing"),
        (CorrectPosition, {"symbol": "MSFT", "quantity": D(1), "price": D(1)}, "nobody has said what MSFT is"),
    ],
)
def test_money_that_means_nothing_is_refused(make: Any, kind: type[Any], fields: dict[str, Any], said: str) -> None:
    assert said in refused(books(make, bought(make)), act(make, kind, **fields))


def test_a_dividend_on_nothing_wants_the_quantity_that_was_held(make: Any) -> None:
    desk = books(make, bought(make), bought(make, number=2, side=Side.SELL))
    said = act(make, PayDividend, symbol="AAPL", amount_per_share=D(1))
    assert "say with --quantity what was" in refused(desk, said)
    desk.take(act(make, PayDividend, 2, symbol="AAPL", amount_per_share=D(1), quantity=D(100)))
    assert cash(desk) == "100100"


# --------------------------------------------------------------------------------------------------------------- names


def test_a_new_name_takes_the_position_at_what_it_cost(make: Any) -> None:
    thirds = (bought(make, "1", "1"), bought(make, "2", "1.5", 2), bought(make, "1", "2", 3, side=Side.SELL))
    desk = books(make, *thirds)
    cost = held(desk).holding.cost
    assert plain(cost) == "2.66666666666666666667"
    desk.take(act(make, RenameSymbol, symbol="AAPL", new_symbol="PEAR"))
    assert figures(desk) == ("0", "0", "0.66666666666666666667")  # what was realised stays where it was
    assert (held(desk, "PEAR").holding.cost, held(desk, "PEAR").holding.quantity) == (cost, 2)
    assert figures(desk, "PEAR")[2] == "0"
    desk.take(bought(make, "2", "2", 4, side=Side.SELL, symbol="PEAR", seconds=90_000))
    assert plain(held(desk).holding.realized_pnl(D(1)) + held(desk, "PEAR").holding.realized_pnl(D(1))) == "2"


def test_what_was_traded_under_the_new_name_already_nets_with_it(make: Any) -> None:
    desk = books(make, bought(make), bought(make, "40", "33", 2, side=Side.SELL, symbol="PEAR"))
    desk.take(act(make, RenameSymbol, symbol="AAPL", new_symbol="PEAR"))
    assert figures(desk, "PEAR") == ("60", "30", "120")  # 40 sold at 33 of those that cost 30


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"new_symbol": "AAPL"}, "is no other name than AAPL"),
        ({"new_symbol": " "}, "is no other name than AAPL"),
        ({"symbol": "MSFT"}, "never held MSFT"),
        ({"new_symbol": "0700.HK"}, "it is another thing"),
    ],
)
def test_a_name_that_is_none_is_refused(make: Any, fields: dict[str, Any], said: str) -> None:
    desk = books(make, bought(make), bought(make, number=2, symbol="0700.HK"))
    assert said in refused(desk, act(make, RenameSymbol, **({"symbol": "AAPL", "new_symbol": "PEAR"} | fields)))


def test_nothing_held_has_no_new_name(make: Any) -> None:
    desk = books(make, bought(make), bought(make, number=2, side=Side.SELL))
    assert "nothing is held of AAPL" in refused(desk, act(make, RenameSymbol, symbol="AAPL", new_symbol="PEAR"))


# ---------------------------------------------------------------------------------------------- adoption and correction


def venue_holds(make: Any, desk: Any, quantity: str, price: str = "31", hours: float = 23, **fields: Any) -> None:
    position = PositionHeld(symbol="AAPL", quantity=D(quantity), average_price=D(price))
    desk.state.snapshots[KEY] = snapshot(make, hours, positions=(position,), execution_ids=("e1",), **fields)


def test_the_venues_position_is_taken_as_the_desks_and_what_was_realised_stays(make: Any) -> None:
    desk = books(make, bought(make), bought(make, "20", "35", 2, side=Side.SELL))
    assert figures(desk) == ("80", "30", "100")
    venue_holds(make, desk, "120")
    [event] = desk.take(act(make, AdoptPosition, symbol="AAPL", expected=D(120))).events
    assert figures(desk) == ("120", "31", "100")
    assert [change.moved for change in event.changes] == [40]
    assert cash(desk) == "97700"  # cash is adopted by itself
    assert (event.act.by, event.act.reason) == ("anna", "the company has said so")


def test_a_position_that_the_desk_has_never_heard_of_is_adopted(make: Any) -> None:
    desk = books(make)
    desk.state.snapshots[KEY] = snapshot(
        make, positions=(PositionHeld(symbol="TSLA", quantity=D(-5), average_price=D(200)),)
    )
    desk.take(act(make, AdoptPosition, symbol="TSLA", expected=D(-5)))
    assert figures(desk, "TSLA") == ("-5", "200", "0")


def test_a_position_that_the_venue_does_not_hold_is_gone(make: Any) -> None:
    desk = books(make, bought(make))
    desk.state.snapshots[KEY] = snapshot(make, execution_ids=("e1",))
    desk.take(act(make, AdoptPosition, symbol="AAPL", expected=D(0)))
    assert figures(desk) == ("0", "0", "0")


def test_what_is_traded_after_the_venues_snapshot_comes_on_top(make: Any) -> None:
    desk = books(make, bought(make))
    venue_holds(make, desk, "120", hours=2)
    desk.take(bought(make, "7", "31", 2, seconds=3 * 3600))
    desk.take(act(make, AdoptPosition, symbol="AAPL", expected=D(120)))
    assert figures(desk) == ("127", "31", "0")
    desk.take(bought(make, "9", "31", 3, seconds=3600))  # traded before the snapshot, which has it
    assert figures(desk)[0] == "127"


@pytest.mark.parametrize(
    ("fields", "expected", "said"),
    [
        ({}, "119", "the venue holds 120 AAPL, and not 119"),
        ({"unread": ("AAPL",)}, "120", "make no sense"),
    ],
)
def test_another_figure_than_was_seen_is_not_adopted(
    make: Any, fields: dict[str, Any], expected: str, said: str
) -> None:
    desk = books(make, bought(make))
    venue_holds(make, desk, "120", **fields)
    assert said in refused(desk, act(make, AdoptPosition, symbol="AAPL", expected=D(expected)))


def test_nothing_is_adopted_without_a_snapshot_or_before_its_executions_are_booked(make: Any) -> None:
    desk = books(make, bought(make))
    for number, kind in enumerate((AdoptPosition, AdoptCash), 1):
        what = {"symbol": "AAPL"} if kind is AdoptPosition else {"currency": "USD"}
        assert "there is no snapshot" in refused(desk, act(make, kind, number, expected=D(1), **what))
    desk.state.snapshots[KEY] = snapshot(make, execution_ids=("e1", "e2"))
    assert "still to be booked" in refused(desk, act(make, AdoptPosition, 3, symbol="AAPL", expected=D(0)))
    desk.state.snapshots[KEY] = snapshot(make, execution_ids=("e1",))
    assert "neither the venue nor the desk" in refused(desk, act(make, AdoptPosition, 4, symbol="X", expected=D(0)))


def test_other_money_is_another_thing(make: Any) -> None:
    desk = books(make, bought(make))
    position = PositionHeld(symbol="AAPL", quantity=D(1), average_price=D(1), currency="HKD")
    desk.state.snapshots[KEY] = snapshot(make, positions=(position,), execution_ids=("e1",))
    assert "in other money" in refused(desk, act(make, AdoptPosition, symbol="AAPL", expected=D(1)))


def test_the_venues_cash_is_taken_as_the_desks(make: Any) -> None:
    desk = books(make, bought(make))
    desk.state.snapshots[KEY] = snapshot(make, cash=D("97012.34"), execution_ids=("e1",), other_cash={"EUR": D(5)})
    desk.take(act(make, AdoptCash, currency="USD", expected=D("97012.34")))
    desk.take(act(make, AdoptCash, 2, hours=22, currency="EUR", expected=D(5)))
    assert cash(desk) == "97012.34"


def test_cash_is_adopted_as_of_now_and_of_a_currency_that_the_venue_tells(make: Any) -> None:
    desk = books(make, bought(make))
    desk.state.snapshots[KEY] = snapshot(make, execution_ids=("e1",))
    assert "one figure of cash alone" in refused(desk, act(make, AdoptCash, currency="EUR", expected=D(0)))
    assert "and not 5" in refused(desk, act(make, AdoptCash, 2, currency="USD", expected=D(5)))
    desk.state.snapshots[KEY] = snapshot(make, execution_ids=("e1",), funding_awaited=True)
    assert "wait for the next one" in refused(desk, act(make, AdoptCash, 3, currency="USD", expected=D(100_000)))
    desk.state.snapshots[KEY] = snapshot(make, hours=0, execution_ids=("e1",))
    assert "wait for the next one" in refused(desk, act(make, AdoptCash, 4, currency="USD", expected=D(100_000)))


@pytest.mark.parametrize(
    ("fields", "position", "money"),
    [
        ({"quantity": D(10), "price": D(36)}, ("110", "30.54545454545454545455", "0"), "96640"),
        ({"quantity": D(-40), "price": D(36)}, ("60", "30", "240"), "98440"),
        ({"quantity": D(-150), "price": D(36)}, ("-50", "36", "600"), "102400"),
        ({"quantity": D(10), "price": D(36), "moves_cash": False}, ("110", "30.54545454545454545455", "0"), "97000"),
    ],
)
def test_a_correction_is_booked_as_a_fill_is(
    make: Any, fields: dict[str, Any], position: tuple[str, str, str], money: str
) -> None:
    desk = books(make, bought(make))
    desk.take(act(make, CorrectPosition, symbol="AAPL", **fields))
    assert (figures(desk), cash(desk)) == (position, money)
    assert desk.state.accounts[KEY].fills == 1  # it is none


def test_a_correction_counts_the_multiplier(make: Any) -> None:
    option = "AAPL 240119C00190000"
    desk = books(make)
    desk.take(act(make, CorrectPosition, symbol=option, quantity=D(2), price=D("1.5")))
    assert (figures(desk, option)[:2], cash(desk)) == (("2", "1.5"), "99700")


def test_cash_is_corrected_by_what_is_said(make: Any) -> None:
    desk = books(make)
    desk.run(
        act(make, CorrectCash, currency="USD", amount=D("-12.5")),
        act(make, CorrectCash, 2, currency="CHF", amount=D(7)),
    )
    assert (cash(desk), cash(desk, "CHF")) == ("99987.5", "7")
    assert book_message(desk.state.accounts[KEY]).corrections == D("-12.5")


# -------------------------------------------------------------------------------------------- once, and never silently


def test_an_act_is_booked_once_by_its_id_and_so_is_a_refusal(make: Any) -> None:
    desk = books(make)
    said = act(make, CorrectCash, currency="USD", amount=D(5))
    desk.take(said)
    assert desk.take(said).events == ()
    assert desk.take(replace(said, amount=D(6))).events == ()
    wrong = act(make, CorrectCash, 2, currency="USD", amount=D(0))
    assert desk.take(wrong).events != ()
    assert desk.take(replace(wrong, amount=D(6))).events == ()
    assert cash(desk) == "100005"


def test_books_that_have_not_begun_take_no_act(make: Any) -> None:
    [event] = make.desk().take(act(make, CorrectCash, currency="USD", amount=D(5))).events
    assert "the desk has no books of DU1 at ibkr yet" in event.reason


def test_a_restart_between_any_two_acts_changes_nothing(make: Any) -> None:
    desk = books(make, bought(make), bought(make, "20", "35", 2, side=Side.SELL))
    for number, said in enumerate(
        (
            act(make, SplitPosition, 1, symbol="AAPL", numerator=D(3), denominator=D(2)),
            act(make, PayDividend, 2, symbol="AAPL", amount_per_share=D("0.11")),
            act(make, CorrectPosition, 3, symbol="AAPL", quantity=D(-7), price=D(21)),
            act(make, RenameSymbol, 4, symbol="AAPL", new_symbol="PEAR"),
            act(make, CorrectCash, 5, currency="USD", amount=D(0)),
        )
    ):
        desk.take(said)
        again = desk.restart()
        assert comparable(again.state) == comparable(desk.state), number
        assert again.take(said).events == ()


def comparable(state: State) -> Any:
    return state.accounts, state.journals, state.unprotected


def test_books_that_have_fills_and_no_baseline_take_no_act(make: Any) -> None:
    desk = make.desk().run(bought(make))
    [event] = desk.take(act(make, CorrectCash, currency="USD", amount=D(5))).events
    assert "the desk has no books of DU1 at ibkr yet" in event.reason


def with_little_memory(make: Any) -> ForgetfulDesk:
    """A desk that has forgotten all but the last few of ten fills, one a second."""
    desk = ForgetfulDesk(State(keep=LITTLE))
    for number in range(10):
        desk.take(bought(make, "10", "30", number, seconds=number))
    desk.take(snapshot(make, hours=-1))
    desk.take(bought(make, "10", "30", 10, seconds=10))
    assert len(held(desk).execution_ids) < 5
    return desk


def test_a_split_of_before_what_memory_holds_is_refused(make: Any) -> None:
    split = {"symbol": "AAPL", "numerator": D(2), "denominator": D(1)}
    early = make.at + timedelta(seconds=3)
    said = act(make, SplitPosition, effective_at=early, **split)
    assert "too many fills of AAPL were traded since" in refused(with_little_memory(make), said)


def test_a_snapshot_of_before_what_memory_holds_is_not_adopted(make: Any) -> None:
    desk = with_little_memory(make)
    position = PositionHeld(symbol="AAPL", quantity=D(7), average_price=D(1))
    desk.state.snapshots[KEY] = snapshot(make, hours=1 / 3600, positions=(position,))
    assert "wait for the next one" in refused(desk, act(make, AdoptPosition, symbol="AAPL", expected=D(7)))


def test_what_is_being_folded_again_has_no_cost_to_take_over_yet(make: Any) -> None:
    desk = with_little_memory(make)
    desk.take(bought(make, "5", "31", 20, seconds=0.5))
    assert held(desk).is_late
    rename = {"symbol": "AAPL", "new_symbol": "PEAR"}
    assert "its cost is being folded again" in refused(desk, act(make, RenameSymbol, **rename))
    desk.settle()
    [event] = desk.take(act(make, RenameSymbol, 2, **rename)).events
    assert isinstance(event, BooksAdjusted)
    assert held(desk, "PEAR").holding.cost == 11 * 300 + 155


def test_of_the_acts_that_were_answered_the_last_ones_are_known(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oms.adjusting.ACTS_MAX", 3)
    desk = books(make)
    desk.run(*(act(make, CorrectCash, number, currency="USD", amount=D(number % 2)) for number in range(5)))
    assert list(desk.state.accounts[KEY].acts) == ["act-2", "act-3", "act-4"]
