"""The Venues dashboard: links, sessions, pacing budgets, clocks, what the gateways are asking about, the dYdX chain."""

from __future__ import annotations

from dashboards.queries import LINK_STATES, LINKS, OF_ACCOUNT, OF_VENUE, at_venue, changes, during_range, rate
from dashboards.shapes import (
    counts,
    half_and_most,
    must_be_zero,
    rates,
    reports_not_stored,
    should_be_zero,
    times,
    totals,
    venues_not_ready,
)
from dashboards.specification import (
    ACCOUNT,
    GREEN,
    ORANGE,
    RED,
    VENUE,
    Dashboard,
    Query,
    Row,
    Unit,
    Word,
    falling,
    lines,
    number,
    rising,
    states,
)

UP_OR_DOWN = {0: Word("down", RED), 1: Word("up", GREEN)}
HELD_OR_NOT = {0: Word("nobody", RED), 1: Word("held", GREEN), 2: Word("by two", ORANGE)}


def counted(metric: str, labels: str) -> str:
    return changes(labels, f"{metric}{{{OF_VENUE}}}")


BUDGET_LEFT = (
    f"min by (venue, budget) (signalbox_venue_budget_left{{{OF_VENUE}}} / signalbox_venue_budget_limit{{{OF_VENUE}}})"
)

BUDGET_LEFT_TO_SEND = BUDGET_LEFT.replace('"$venue"', '"$venue",budget!="market_data_lines"')
"""Market data lines are taken for as long as a symbol is watched: that few are left means nothing."""

NOW = Row(
    "Now",
    (
        venues_not_ready("Venues whose gateway can not trade now. Risk denies their orders. Normal: 0."),
        must_be_zero(
            "Connections down",
            "API sessions and streams to the venues that are not open. Normal: 0.",
            f"sum (1 - {at_venue('signalbox_venue_session_up', 'venue, connection')})",
            runbook="venue-disconnected",
        ),
        number(
            "Reconnects",
            "Sessions begun after the first, in the time shown. Several an hour: the venue or the network is unwell.",
            Unit.COUNT,
            during_range("", f"signalbox_venue_reconnects_total{{{OF_VENUE}}}"),
            steps=rising(3, 20),
            runbook="venue-reconnecting",
        ),
        number(
            "Smallest budget left",
            "Of what the venues let us send in their present window, the share that is left, where it is smallest. At "
            "0 the gateway waits.",
            Unit.SHARE,
            f"min ({BUDGET_LEFT_TO_SEND})",
            steps=falling(0.1, 0.3),
            decimals=0,
            runbook="pacing-budget-low",
        ),
        number(
            "Clock offset",
            "By how much a venue's clock and ours differ, where it is most.",
            Unit.SECONDS,
            f"max (abs (signalbox_venue_clock_offset_seconds{{{OF_VENUE}}}))",
            steps=rising(1, 3),
            runbook="clock-skew",
        ),
        number(
            "Indexer behind",
            "Blocks that the dYdX chain has and its indexer has not processed. Normal: 0 to 2.",
            Unit.BLOCKS,
            "max (signalbox_dydx_indexer_lag_blocks)",
            steps=rising(5, 10),
            runbook="indexer-lagging",
        ),
        should_be_zero(
            "Orders being asked about",
            "Orders whose fate the venues are being asked about. Normal: 0.",
            f"sum ({at_venue('signalbox_venue_unresolved_orders')})",
            runbook="unknown-order",
            more="signalbox-orders",
        ),
        reports_not_stored("Execution reports that the gateways hold and NATS has not stored yet."),
    ),
)

LINKS_ROW = Row(
    "Links",
    (
        states(
            "What each gateway can do",
            "Only READY lets risk approve an order. RECONCILING: orders, executions and positions are being compared "
            "after a connect. FROZEN: the venue answers, and what it says is too old to act on.",
            Query(LINKS, "{{venue}}"),
            LINK_STATES,
            runbook="venue-disconnected",
        ),
        states(
            "Connections",
            "Each API session or stream to a venue.",
            Query(at_venue("signalbox_venue_session_up", "venue, connection"), "{{venue}} {{connection}}"),
            UP_OR_DOWN,
            runbook="venue-reconnecting",
        ),
        counts(
            "Reconnects",
            "Sessions begun after the first, in each interval.",
            Query(counted("signalbox_venue_reconnects_total", "venue, connection"), "{{venue}} {{connection}}"),
            runbook="venue-reconnecting",
        ),
        rates(
            "Messages",
            "To and from the venues, each second.",
            Query(
                rate("venue, connection, direction", f"signalbox_venue_messages_total{{{OF_VENUE}}}"),
                "{{venue}} {{connection}} {{direction}}",
            ),
        ),
        totals(
            "Errors of the venues",
            "In the time shown, by what the gateway makes of them. IB Gateway reports notices as errors too.",
            Query(
                during_range("venue, connection, treatment", f"signalbox_venue_errors_total{{{OF_VENUE}}}"),
                "{{venue}} {{connection}} {{treatment}}",
            ),
        ),
        totals(
            "Answers that never ended",
            "Questions without a complete answer in the time shown, by what was asked. Normal: none.",
            Query(
                during_range("venue, request", f"signalbox_venue_unanswered_total{{{OF_VENUE}}}"),
                "{{venue}} {{request}}",
            ),
            runbook="answer-never-ends",
        ),
        states(
            "Who holds the accounts",
            "How many gateways hold the lease of each account: exactly one may trade it.",
            Query(
                f"sum by (venue, account) (signalbox_venue_lease_held{{{OF_ACCOUNT}}})",
                "{{venue}} {{account}}",
            ),
            HELD_OR_NOT,
            runbook="no-active-replica",
        ),
        lines(
            "Takings of the accounts",
            "The epoch of each account's lease: it goes up when another gateway process takes the account.",
            Unit.COUNT,
            Query(f"max by (venue, account) (signalbox_venue_lease_epoch{{{OF_ACCOUNT}}})", "{{venue}} {{account}}"),
            width=12,
        ),
    ),
)

PACING = Row(
    "Pacing and clocks",
    (
        lines(
            "Budget left",
            "The share of what the venue lets us send in its present window that is left. At 0 the gateway waits.",
            Unit.SHARE,
            Query(BUDGET_LEFT, "{{venue}} {{budget}}"),
            minimum=0,
            maximum=1,
            runbook="pacing-budget-low",
        ),
        counts(
            "Budgets",
            "How many messages or requests each budget allows in its window.",
            Query(at_venue("signalbox_venue_budget_limit", "venue, budget"), "{{venue}} {{budget}}"),
        ),
        lines(
            "Clock offset",
            "The venue's clock less this machine's (above 0: the venue is ahead); of a simulated one, less desk time.",
            Unit.SECONDS,
            Query(f"max by (venue) (signalbox_venue_clock_offset_seconds{{{OF_VENUE}}})", "{{venue}}"),
            runbook="clock-skew",
        ),
    ),
)

ORDERS = Row(
    "Orders at the venues",
    (
        counts(
            "Orders sent",
            "In each interval; and those refused, or of unknown outcome.",
            Query(counted("signalbox_venue_orders_sent_total", "venue"), "{{venue}} sent"),
            Query(counted("signalbox_venue_orders_refused_total", "venue, by"), "{{venue}} refused by {{by}}"),
            Query(counted("signalbox_venue_orders_unknown_total", "venue"), "{{venue}} unknown"),
            runbook="reject-rate-high",
        ),
        counts(
            "Being asked about",
            "Orders whose fate the venues are being asked about, and those that only a person can resolve (stranded).",
            Query(at_venue("signalbox_venue_unresolved_orders"), "{{venue}} asked about"),
            Query(at_venue("signalbox_venue_stranded_orders"), "{{venue}} stranded"),
            runbook="unknown-order",
        ),
        times(
            "Longest being asked about",
            "For how long the oldest of them is being asked about.",
            Query(at_venue("signalbox_venue_oldest_unresolved_seconds"), "{{venue}}"),
            steps=rising(30, 120),
            runbook="unknown-order",
        ),
        counts(
            "Reports and fills",
            "Stored in each interval.",
            Query(counted("signalbox_venue_reports_total", "venue"), "{{venue}} reports"),
            Query(counted("signalbox_venue_fills_total", "venue"), "{{venue}} fills"),
        ),
        counts(
            "Reports not stored",
            "Execution reports that the gateways hold and NATS has not stored yet.",
            Query(at_venue("signalbox_venue_reports_waiting"), "{{venue}}"),
            more="signalbox-bus",
        ),
        totals(
            "Reconciliations",
            "Complete comparisons with the venue in the time shown, by outcome: one after each connect.",
            Query(
                during_range("venue, outcome", f"signalbox_venue_reconciliations_total{{{OF_VENUE}}}"),
                "{{venue}} {{outcome}}",
            ),
        ),
    ),
)

CHAIN = Row(
    "dYdX: the chain and its indexer",
    (
        lines(
            "Height",
            "Of the chain as its node says, and of the indexer as the market data stream says. They run side by side.",
            Unit.COUNT,
            Query("max (signalbox_dydx_height)", "chain"),
            Query("max (signalbox_dydx_data_height)", "indexer"),
            runbook="indexer-lagging",
        ),
        lines(
            "Indexer behind",
            "Blocks that the chain has and the indexer has not processed. Too many: the link is FROZEN.",
            Unit.BLOCKS,
            Query("max (signalbox_dydx_indexer_lag_blocks)", "blocks"),
            steps=rising(5, 10),
            minimum=0,
            runbook="indexer-lagging",
        ),
        times(
            "Broadcasts",
            "From an order's broadcast to the node's verdict: half of them, and 99 of 100.",
            *half_and_most("job", "signalbox_dydx_broadcast_seconds"),
        ),
        counts(
            "Renewals",
            "Resting orders given a later good-til-block, in each interval, by outcome.",
            Query(changes("outcome", "signalbox_dydx_renewals_total"), "{{outcome}}"),
        ),
        counts(
            "Funding payments",
            "Reported in each interval: one an hour for each perpetual held.",
            Query(changes("job", "signalbox_dydx_funding_payments_total"), "payments"),
        ),
        counts(
            "Stale levels in the books",
            "Stale levels that the uncross rule has removed since the gateway began.",
            Query("sum by (symbol) (signalbox_dydx_book_crossings)", "{{symbol}} removed"),
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="signalbox-venues",
    title="Venues",
    about="The links to the venues, how much may still be sent, whose clock is off, and what is being asked about.",
    variables=(VENUE, ACCOUNT),
    rows=(NOW, LINKS_ROW, PACING, ORDERS, CHAIN),
    annotations=("link", "trading-state"),
)
