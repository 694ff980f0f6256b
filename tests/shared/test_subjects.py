"""Subjects: every token is safe and reversible, and every subject that is built is declared."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox import belonging, subjects
from signalbox.messages import (
    Bar,
    CancelIntent,
    DeadLetter,
    IntentApproved,
    IntentDenied,
    Lease,
    LedgerEntry,
    MassCancelIntent,
    Message,
    OrderIntent,
    OrderType,
    Quote,
    Report,
    Side,
    TradingMode,
    TradingSwitched,
    VenueAccepted,
    VenueSnapshot,
)
from signalbox.registry import REGISTRY, Declared
from signalbox.services import GATEWAYS, SERVICES
from signalbox.subjects import decode_token, encode_token

AT = datetime(2026, 7, 15, 14, tzinfo=UTC)
NASTY = "> *.é\t%"
PARTIES = {*SERVICES, "simulator", "user", "operator", "nats"}


def order_intent(venue: str, symbol: str) -> OrderIntent:
    return OrderIntent(
        id="i-1", at=AT, venue=venue, symbol=symbol, side=Side.BUY, quantity=Decimal(1), order_type=OrderType.MARKET
    )


APPROVED = IntentApproved(
    id="d", at=AT, intent_sequence=1, intent=order_intent("ibkr", "SPY"), order_id="i-1", checks=()
)
DENIED = IntentDenied(id="d", at=AT, intent_sequence=1, intent=None, checks=(), reason="unreadable")

BUILT = {
    subjects.CLOCK: "clock.desk",
    subjects.QUERY: "query.sql",
    subjects.WHAT_IF: "whatif.intent",
    subjects.trading_state("olga"): "$KV.CONTROL.trading-state.olga",
    subjects.quote("ibkr", "BRK B"): "md.quote.ibkr.BRK%20B",
    subjects.bar("ibkr", "0700.HK", "1m"): "md.bar.ibkr.0700%2EHK.1m",
    subjects.instrument("ibkr", "SPY"): "md.instrument.ibkr.SPY",
    subjects.funding("dydx", "BTC-USD"): "md.funding.dydx.BTC-USD",
    subjects.order("dydx", "dydx1a-0", subjects.FUNDING): "order.dydx.dydx1a-0._funding",
    subjects.score("ibkr", "SPY", "5m"): "ind.score.ibkr.SPY.5m",
    subjects.levels("ibkr", "BRK B", "1m"): "ind.levels.ibkr.BRK%20B.1m",
    subjects.intent(order_intent("ibkr", "SPY")): "intent.ibkr.SPY",
    subjects.intent(order_intent(NASTY, "")): f"intent.{encode_token(NASTY)}.%",
    subjects.intent(CancelIntent(id="c", at=AT, venue="ibkr", symbol=">", order_id="i-1")): "intent.ibkr.%3E",
    subjects.intent(MassCancelIntent(id="m", at=AT)): "intent.%.%",
    subjects.intent(MassCancelIntent(id="m", at=AT, venue="ibkr", account="DU1")): "intent.ibkr.%",
    subjects.intent(MassCancelIntent(id="m", at=AT, symbol="SPY")): "intent.%.SPY",
    subjects.intent_of("alice", MassCancelIntent(id="m", at=AT)): "intent.alice.%.%",
    subjects.intent_of("alice", order_intent("ibkr", "SPY")): "intent.alice.ibkr.SPY",
    subjects.decision(APPROVED, "DU1", "ibkr"): "decision.approved.ibkr.DU1",
    subjects.decision(DENIED, "", ""): "decision.denied.%.%",
    subjects.order("ibkr", "DU1", "i-1"): "order.ibkr.DU1.i-1",
    subjects.order("ibkr", "DU1", subjects.BASELINE): "order.ibkr.DU1._baseline",
    subjects.checkpoint_part("oms", 1, 12): "checkpoint.oms.1.12",
    subjects.checkpoint_manifest("risk", 0): "checkpoint.risk.0.manifest",
    subjects.command("ibkr", "i-1", 0): "command.ibkr.i-1.0",
    subjects.ledger("ibkr", "i-1"): "ledger.ibkr.i-1",
    subjects.report(
        VenueAccepted(id="r", at=AT, venue="ibkr", account="DU1", order_id="i-1", venue_order_id="7")
    ): "report.ibkr.DU1.accepted",
    subjects.position("ibkr", "DU1", "BRK B"): "position.ibkr.DU1.BRK%20B",
    subjects.book("ibkr", "DU1"): "book.ibkr.DU1",
    subjects.account("ibkr", "DU1"): "account.ibkr.DU1",
    subjects.link("ibkr", "DU1"): "link.ibkr.DU1",
    subjects.lease("dydx", "dydx1a-0"): "$KV.LEASES.dydx.dydx1a-0",
    subjects.timer_schedule("i-1"): "timer.schedule.i-1",
    subjects.timer_fired("i-1"): "timer.fired.i-1",
    subjects.dead("TRADE", "risk"): "dead.trade.risk",
    f"{subjects.set_aside('risk', 'TRADE', 7)}.olga": "$KV.CONTROL.skip.risk.TRADE.7.olga",
    f"{subjects.books_act('ibkr', 'DU.1', 'a-1')}.olga": "$KV.CONTROL.books.ibkr.DU%2E1.a-1.olga",
    f"{subjects.LIMITS_PROPOSED}.olga": "$KV.CONTROL.limits.olga",
    subjects.LIMITS_SET: "decision.limits.%.%",
    subjects.compared("ibkr", "DU1"): "compared.ibkr.DU1",
    subjects.switched(
        TradingSwitched(id="s", at=AT, mode=TradingMode.HALTED, pulled_by="clock", reason="r")
    ): "decision.switched.%.%",
    subjects.LIMITS_REFUSED: "decision.limits-refused.%.%",
    subjects.status("risk"): "status.risk",
}


def declared(subject: str) -> list[str]:
    patterns = [item.pattern for item in REGISTRY]
    return [pattern for pattern in patterns if re.fullmatch(re.escape(pattern).replace(r"\*", r"[^.\s*>]+"), subject)]


@pytest.mark.parametrize("subject", BUILT, ids=ascii)
def test_built_subject_is_declared_exactly_once(subject: str) -> None:
    assert subject == BUILT[subject]
    assert len(declared(subject)) == 1


def test_every_declared_subject_has_a_builder() -> None:
    assert {pattern for subject in BUILT for pattern in declared(subject)} == {item.pattern for item in REGISTRY}


def test_a_bar_is_stored_in_its_partition() -> None:
    assert subjects.stored_bar("ibkr", "BRK B", "1m", 3) == "md.bar.3.ibkr.BRK%20B.1m"


@given(st.text())
def test_token_is_one_valid_nats_token_and_reversible(text: str) -> None:
    token = encode_token(text)
    assert re.fullmatch(r"[A-Za-z0-9_%-]+", token)
    assert decode_token(token) == text


@given(st.text(), st.text())
def test_different_texts_have_different_tokens(one: str, other: str) -> None:
    assert (encode_token(one) == encode_token(other)) is (one == other)


@given(st.text(st.characters(categories=["Cs", "L"]), max_size=20))
def test_token_of_broken_unicode_is_still_one_token(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_%-]+", encode_token(text))


def a_bar(venue: str = "ibkr", symbol: str = "BRK B", timeframe: str = "1m") -> Bar:
    price = Decimal(1)
    return Bar(
        id="bar", at=AT, venue=venue, symbol=symbol, timeframe=timeframe, start=AT,
        open=price, high=price, low=price, close=price, volume=price, received_at=AT,
    )  # fmt: skip


def a_quote(venue: str, symbol: str) -> Quote:
    return Quote(id="q", at=AT, venue=venue, symbol=symbol)


def accepted(venue: str, account: str) -> VenueAccepted:
    return VenueAccepted(id="r", at=AT, venue=venue, account=account, order_id="o", venue_order_id="1")


@pytest.mark.parametrize(
    ("message", "subject", "belongs"),
    [
        (a_quote("ibkr", "SPY"), "md.quote.ibkr.SPY", True),
        (a_quote("dydx", "SPY"), "md.quote.ibkr.SPY", False),
        (a_quote("ibkr", "AAPL"), "md.quote.ibkr.SPY", False),
        (a_bar(), "md.bar.ibkr.BRK%20B.1m", True),
        (a_bar(), "md.bar.3.ibkr.BRK%20B.1m", True),
        (a_bar(venue="a.b"), "md.bar.ibkr.BRK%20B.1m", False),
        (a_bar(timeframe="5m"), "md.bar.3.ibkr.BRK%20B.1m", False),
        (a_bar(), "md", False),
        (accepted("ibkr", "DU1"), "report.ibkr.DU1.accepted", True),
        (accepted("ibkr", "DU1"), "report.ibkr.DU1.fill", False),
        (accepted("ibkr", "DU2"), "report.ibkr.DU1.accepted", False),
        (accepted("dydx", "DU1"), "report.ibkr.DU1.accepted", False),
        (DENIED, "decision.denied.%.%", True),
    ],
)
def test_what_a_gateway_says_belongs_on_its_own_subject(message: Message, subject: str, belongs: bool) -> None:
    assert belonging.belongs(message, subject) is belongs


def test_all_that_gateways_write_for_others_is_held_against_its_subject() -> None:
    """But for what only they read themselves, and dead letters, which nobody acts upon."""
    written = [
        item for item in REGISTRY if set(item.written_by) & set(GATEWAYS) and not set(item.read_by) <= {*GATEWAYS}
    ]
    acted_upon = [item for item in written if item.message not in (DeadLetter, LedgerEntry, Lease)]
    kinds = {kind for item in acted_upon for kind in (get_args(item.message) or (item.message,))}
    assert kinds == set(belonging.SAID_BY_GATEWAYS)


def test_every_report_has_a_kind_of_its_own() -> None:
    kinds = subjects._REPORT_KINDS
    assert set(kinds) == set(get_args(Report))
    assert len(set(kinds.values())) == len(kinds)


@pytest.mark.parametrize("item", REGISTRY, ids=lambda item: item.pattern)
def test_declaration_names_known_parties(item: Declared) -> None:
    assert {*item.written_by, *item.read_by} <= PARTIES
    assert item.written_by


def test_patterns_do_not_overlap() -> None:
    samples = [item.pattern.replace("*", "x") for item in REGISTRY]
    assert [len(declared(sample)) for sample in samples] == [1] * len(samples)


def test_only_the_right_service_may_write_what_moves_an_order() -> None:
    writers = {item.pattern.split(".")[0]: item.written_by for item in REGISTRY}
    assert writers["decision"] == ("risk",)
    assert writers["command"] == ("oms",)
    assert writers["order"] == ("oms",)
    assert writers["report"] == GATEWAYS
    assert writers["ledger"] == GATEWAYS


@pytest.mark.parametrize("text", ["i-1", "A", "9", "a" * 64])
def test_intent_id_is_a_plain_token(text: str) -> None:
    assert subjects.INTENT_ID.fullmatch(text)
    assert encode_token(text) == text


@pytest.mark.parametrize("text", ["", "-a", "_baseline", "a b", "a.b", "a/1", "a" * 65, "é", "a\n"])
def test_other_intent_ids_are_refused(text: str) -> None:
    assert not subjects.INTENT_ID.fullmatch(text)


@pytest.mark.parametrize("text", ["i-1", "my-list.stop", "my-list.stop-2", "home.1", "a" * 64 + ".123456"])
def test_the_id_of_an_order_is_its_intents_or_what_the_desk_makes_of_that(text: str) -> None:
    assert subjects.ORDER_ID.fullmatch(text)


@pytest.mark.parametrize("text", ["", "a.", ".1", "a.1.2", "a.stop.1", "a.1-2", "a.Stop", "a.1234567", "a/1", "a.1\n"])
def test_other_ids_are_no_order_of_the_desks(text: str) -> None:
    assert not subjects.ORDER_ID.fullmatch(text)


def test_the_operator_of_an_act_is_the_servers_last_word() -> None:
    assert subjects.operator_of_act("$KV.CONTROL.books.ibkr.DU1.anna.olga") == "olga"


def test_snapshots_are_looked_up_where_they_are_reported() -> None:
    snapshot = VenueSnapshot(
        id="s", at=AT, venue="ibkr", account="DU.1", currency="USD", cash=Decimal(0), positions=(), open_orders=(),
        execution_ids=(),
    )  # fmt: skip
    assert subjects.snapshots_of("ibkr", "DU.1") == subjects.report(snapshot)


def test_score_is_told_from_the_levels_beside_it() -> None:
    assert subjects.is_score(subjects.score("ibkr", "SPY", "1m"))
    assert not subjects.is_score(subjects.levels("ibkr", "SPY", "1m"))
