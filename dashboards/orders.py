"""The Orders dashboard: what becomes of intents and lists, what protects, how long each hop takes, at what price."""

from __future__ import annotations

from dashboards.protection import CHANGES, PROTECTION, of_orders
from dashboards.queries import (
    OF_ACCOUNT,
    OF_VENUE,
    at_venue,
    at_work,
    changes,
    during_range,
    mean,
    one,
    quantile,
    quantile_now,
)
from dashboards.shapes import (
    counts,
    denials,
    fills,
    half_and_most,
    must_be_zero,
    reports_not_stored,
    should_be_zero,
    times,
    totals,
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
    Step,
    Unit,
    bars,
    lines,
    number,
    rising,
)

HOPS = "signalbox_order_hop_seconds"
SLIPPAGE = "signalbox_oms_slippage_basis_points"
WORSE = (Step(None, GREEN), Step(2, ORANGE), Step(10, RED))


def events(kind: str) -> str:
    """How many order events of a kind there were in the time shown."""
    return during_range("", f'signalbox_oms_order_events_total{{{OF_VENUE},event="{kind}"}}')


def decisions(verdict: str) -> str:
    return during_range("", f'signalbox_risk_decisions_total{{{OF_VENUE},verdict="{verdict}",kind="order"}}')


NOW = Row(
    "Now",
    (
        must_be_zero(
            "UNKNOWN",
            "Orders that may or may not be at the venue: it is being asked. Never sent again. Normal: 0.",
            f"sum ({of_orders('signalbox_oms_orders', 'UNKNOWN')})",
            runbook="unknown-order",
        ),
        number(
            "Not acknowledged for",
            "The age (desk time) of the oldest order that the venue has not acknowledged yet. Normal: below a second; "
            "0 = there is none.",
            Unit.SECONDS,
            f"max ({of_orders('signalbox_oms_oldest_order_seconds', 'PENDING_NEW')})",
            steps=rising(5, 30),
            runbook="order-stuck-unacknowledged",
        ),
        should_be_zero(
            "Asked of the venue",
            "Orders whose fate the gateways are asking the venues about now. Normal: 0.",
            f"sum ({at_venue('signalbox_venue_unresolved_orders')})",
            runbook="unknown-order",
            more="signalbox-venues",
        ),
        number(
            "Asked for",
            "For how long the oldest of them is being asked about. Normal: 0, or a few seconds after a restart.",
            Unit.SECONDS,
            f"max ({at_venue('signalbox_venue_oldest_unresolved_seconds')})",
            steps=rising(30, 120),
            runbook="unknown-order",
        ),
        must_be_zero(
            "Stranded",
            "Orders that the venue does not remember any more: only a person can say what became of them. Normal: 0.",
            f"sum ({at_venue('signalbox_venue_stranded_orders')})",
            runbook="unknown-order",
        ),
        reports_not_stored(
            "Execution reports that the gateways hold and NATS has not stored yet. Normal: 0, or 1 for a moment."
        ),
        number(
            "Slowest hop, 99 of 100",
            "The time below which 99 of 100 orders pass the slowest hop between intent and order event.",
            Unit.SECONDS,
            f"max ({quantile_now(0.99, 'venue, hop', HOPS, OF_VENUE)})",
            steps=rising(0.25, 1),
            runbook="order-path-slow",
        ),
        number(
            "Slippage, half of the fills",
            "Half of the fills in the time shown were worse than the price that risk decided on by less than this, in "
            "basis points (below 0: better).",
            Unit.BASIS_POINTS,
            f"histogram_quantile(0.5, sum by (le) (increase({SLIPPAGE}_bucket{{{OF_VENUE}}}[$__range])))",
            steps=WORSE,
            decimals=1,
        ),
    ),
)

LIFE = Row(
    "What becomes of intents",
    (
        totals(
            "From intent to end",
            "How many orders passed each stage in the time shown: intents that were read, what risk decided, what the "
            "venue did. Approved less accepted = refused by gateway or venue, or not sent in time.",
            Query(during_range("", 'signalbox_risk_intents_total{outcome="read"}'), "1 intents, cancels too"),
            Query(decisions("approved"), "2 approved"),
            Query(decisions("denied"), "2 denied"),
            Query(events("OrderAccepted"), "3 accepted by the venue"),
            Query(events("OrderRejected"), "3 rejected"),
            Query(events("OrderPartiallyFilled"), "4 filled in part (fills)"),
            Query(events("OrderFilled"), "4 filled"),
            Query(events("OrderCanceled"), "4 canceled"),
            Query(events("OrderExpired"), "4 expired"),
            width=8,
        ),
        counts(
            "Order events",
            "Events of all orders in each interval, by kind.",
            Query(changes("event", f"signalbox_oms_order_events_total{{{OF_VENUE}}}"), "{{event}}"),
            stacked=True,
        ),
        counts(
            "Orders that have not ended",
            "Working orders and those on their way, by status.",
            Query(f"sum by (status) ({of_orders('signalbox_oms_orders')})", "{{status}}"),
            stacked=True,
        ),
        bars(
            "Oldest order in each status",
            "Desk time since the oldest order became so. Long in PENDING_NEW or PENDING_CANCEL: the venue does not "
            "answer. Long in NEW: it rests.",
            Unit.DURATION,
            Query(f"max by (status) ({of_orders('signalbox_oms_oldest_order_seconds')})", "{{status}}"),
            runbook="order-stuck-unacknowledged",
        ),
        fills(),
        counts(
            "Reports of the venues",
            "Execution reports in each interval, by kind.",
            Query(changes("venue, kind", f"signalbox_venue_reports_total{{{OF_VENUE}}}"), "{{venue}} {{kind}}"),
        ),
    ),
)

LATENCY = Row(
    "How long each hop takes",
    (
        times(
            "Half of the orders",
            "The median of each hop, wall time: intent stored, decision stored, command stored, bytes sent, first "
            "report stored, order event stored.",
            Query(quantile(0.5, "venue, hop", HOPS, OF_VENUE), "{{venue}} {{hop}}"),
            runbook="order-path-slow",
        ),
        times(
            "99 of 100 orders",
            "The same for the slowest of 100. venue_to_report is the venue's own time and the way there and back.",
            Query(quantile(0.99, "venue, hop", HOPS, OF_VENUE), "{{venue}} {{hop}}"),
            steps=rising(0.25, 1),
            runbook="order-path-slow",
        ),
        times(
            "Mean of each hop, added up",
            "Where the time goes: the height is the mean way of an order from intent to event.",
            Query(mean("hop", HOPS, OF_VENUE), "{{hop}}"),
            stacked=True,
            runbook="order-path-slow",
        ),
    ),
)

REFUSED = Row(
    "Denied, refused, rejected",
    (
        *denials("Intents that risk denied in the time shown, by the first check that failed."),
        counts(
            "Refused or rejected after approval",
            "Orders that risk approved and the gateway or the venue refused, in each interval, by whom; and those "
            "whose outcome was not known when they were sent.",
            Query(changes("venue, by", f"signalbox_venue_orders_refused_total{{{OF_VENUE}}}"), "{{venue}} by {{by}}"),
            Query(changes("venue", f"signalbox_venue_orders_unknown_total{{{OF_VENUE}}}"), "{{venue}} unknown"),
            runbook="reject-rate-high",
        ),
    ),
)

PRICE = Row(
    "At what price",
    (
        lines(
            "Slippage",
            "Fill price against the price that risk decided on, in basis points; positive = worse for the desk. Half "
            "of the fills, and 95 of 100.",
            Unit.BASIS_POINTS,
            *half_and_most("venue", SLIPPAGE, OF_VENUE, most=0.95, of="{{venue}}"),
        ),
        totals(
            "How the fills spread",
            "Fills in the time shown, by slippage in basis points up to each bound.",
            Query(
                f"sum by (le) (increase({SLIPPAGE}_bucket{{{OF_VENUE}}}[$__range]))", "up to {{le}} bp", buckets=True
            ),
        ),
        lines(
            "Commission paid",
            "Since the desk adopted the account, in its currency.",
            Unit.MONEY,
            Query(
                one("venue, account", at_work("oms", f"signalbox_oms_commission_paid{{{OF_ACCOUNT}}}")),
                "{{venue}} {{account}}",
            ),
            minimum=0,
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="signalbox-orders",
    title="Orders",
    about="What becomes of intents and lists, what protects what is held, how long each hop takes, what is refused and "
    "why, and at what price orders fill.",
    variables=(VENUE, ACCOUNT),
    rows=(NOW, PROTECTION, LIFE, CHANGES, LATENCY, REFUSED, PRICE),
    annotations=("fill", "trading-state", "link"),
)
