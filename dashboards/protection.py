"""Rows of the Orders dashboard: lists and what protects what is held; changes of orders, and flattens."""

from __future__ import annotations

from dashboards.queries import OF_ACCOUNT, OF_VENUE, at_work, changes, during_range, one
from dashboards.shapes import counts, must_be_zero, should_be_zero, totals
from dashboards.specification import Query, Row, Unit, lines, number, rising


def of_account(metric: str) -> str:
    """A figure of each account."""
    return one("venue, account", at_work("oms", f"{metric}{{{OF_ACCOUNT}}}"))


def of_lists(metric: str, phase: str = ".*") -> str:
    """A gauge of the lists in a phase."""
    return one("venue, account, phase", at_work("oms", f'{metric}{{{OF_ACCOUNT},phase=~"{phase}"}}'))


def of_orders(metric: str, status: str = ".*") -> str:
    """A gauge of the orders in a status."""
    return one("venue, account, status", at_work("oms", f'{metric}{{{OF_ACCOUNT},status=~"{status}"}}'))


def changed(event: str) -> str:
    """The count of one kind of event in the life of a change."""
    return f'signalbox_oms_order_events_total{{{OF_VENUE},event="{event}"}}'


CHANGED = (
    ("OrderPendingReplace", "sent"),
    ("OrderReplaced", "replaced"),
    ("OrderReplaceRejected", "rejected"),
    ("OrderReplaceUnknown", "unknown"),
)
OF_POSITIONS = one(
    "venue, account, symbol", at_work("oms", f"signalbox_oms_unprotected_position_seconds{{{OF_ACCOUNT}}}")
)
FLATTENS_LEFT = 'signalbox_risk_flattens_ended_total{outcome="left"}'

PROTECTION = Row(
    "Lists and protection",
    (
        must_be_zero(
            "Lists without their stop",
            "Lists of which something has filled that has not the stop it was promised. Normal: 0, or 1 for a second.",
            f"sum ({of_lists('signalbox_oms_lists', 'UNPROTECTED')})",
            runbook="list-unprotected",
        ),
        number(
            "Longest without it",
            "For how long (desk time) the list that waits longest has been without the stop that it was promised. 0 = "
            "all have it. Normal: below some seconds after a fill.",
            Unit.SECONDS,
            f"max ({of_account('signalbox_oms_list_unprotected_seconds')})",
            steps=rising(5, 15),
            runbook="list-unprotected",
        ),
        number(
            "Worst list, in all",
            "Of the lists that are not over, the longest time without the stop that was promised, every time added up.",
            Unit.SECONDS,
            f"max ({of_account('signalbox_oms_list_unprotected_in_all_seconds')})",
            steps=rising(15, 60),
            runbook="list-unprotected",
        ),
        should_be_zero(
            "Positions without a stop",
            "Positions with less working stop quantity on the other side than their size, of lists or not.",
            f"sum ({OF_POSITIONS} > bool 0)",
            runbook="position-unprotected",
            more="signalbox-desk",
        ),
        counts(
            "Lists by phase",
            "Lists that are not over: ENTERING (nothing has filled), WORKING (what has filled has its exits), "
            "UNPROTECTED, LEAVING (somebody has asked for the end).",
            Query(f"sum by (phase) ({of_lists('signalbox_oms_lists')})", "{{phase}}"),
            stacked=True,
            width=12,
        ),
        lines(
            "Seconds without protection",
            "Desk time for which a position has had too little of a stop, and the longest of the lists without the "
            "one that it was promised.",
            Unit.DURATION,
            Query(f"max by (venue, symbol) ({OF_POSITIONS})", "{{venue}} {{symbol}}"),
            Query(f"max by (venue) ({of_account('signalbox_oms_list_unprotected_seconds')})", "{{venue}} lists"),
            minimum=0,
            width=12,
            runbook="position-unprotected",
        ),
        counts(
            "Exits that were lost",
            "What of a list was not as was promised, in each interval, by what the OMS did: RETRY sends it once more, "
            "FLATTEN closes what it was to protect, ALARM leaves it to a person.",
            Query(changes("venue, action", f"signalbox_oms_list_alarms_total{{{OF_VENUE}}}"), "{{venue}} {{action}}"),
            width=12,
            runbook="list-unprotected",
        ),
    ),
)

CHANGES = Row(
    "Changes and flattens",
    (
        number(
            "Change not answered for",
            "The age (desk time) of the oldest change of which the venue has not said what became of it: the order "
            "works in the terms of before or of after. Normal: below a second; 0 = there is none.",
            Unit.SECONDS,
            f"max ({of_orders('signalbox_oms_oldest_order_seconds', 'PENDING_REPLACE')})",
            steps=rising(10, 60),
            runbook="change-unknown",
        ),
        should_be_zero(
            "Flattens under way",
            "What somebody wants to be flat, and is not yet. Nothing else is let through there meanwhile.",
            f"max ({at_work('risk', 'signalbox_risk_flattens')})",
            runbook="flatten-not-ending",
        ),
        number(
            "The oldest for",
            "Desk time since the oldest of them was approved. It has ten minutes, unless it said another time.",
            Unit.DURATION,
            f"max ({at_work('risk', 'signalbox_risk_oldest_flatten_seconds')})",
            steps=rising(60, 300),
            runbook="flatten-not-ending",
        ),
        must_be_zero(
            "Ended, and not flat",
            "Flattens in the time shown whose time was over with something still held or at work.",
            f"sum ({during_range('', FLATTENS_LEFT)})",
            runbook="flatten-not-ending",
        ),
        counts(
            "Changes of orders",
            "Changes in each interval: sent, made by the venue, rejected, and those of which nobody knew then what "
            "became of them.",
            *(Query(changes("venue", changed(event)), f"{{{{venue}}}} {word}") for event, word in CHANGED),
            width=12,
            runbook="change-unknown",
        ),
        totals(
            "What became of them",
            "Changes of orders, and flattens, in the time shown.",
            *(
                Query(during_range("", changed(event)), f"{place} {word}")
                for place, (event, word) in enumerate(CHANGED, 1)
            ),
            Query(during_range("outcome", "signalbox_risk_flattens_ended_total"), "5 flatten: {{outcome}}"),
            width=12,
        ),
    ),
)
