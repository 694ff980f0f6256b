"""A message of the bus as one line that a person can read.

Owns the wording for each type; what it has no wording for is told field by field. It reads any JSON that has a `type`:
messages of a newer desk too. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from signalbox_cli.output import number_for_people, printable

Parsed = dict[str, Any]
AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)

TERMS = ("side", "quantity", "symbol", "order_type", "limit_price", "stop_price", "time_in_force")
UNTOLD = ("type", "id", "cause", "at", "received_at", "basis", "checks")
"""Of what is told field by field: the id is of the message, and a time begins the line."""


def line(subject: str, message: object) -> str:
    """`15:01:04  FILLED  i-20240305-… BUY 100 SPY at 434.25, 0 left`; of what has no type, subject and text."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return printable(f"{subject}  {message}")
    tell = TOLD.get(message["type"], fields)
    return f"{clock(message.get('at'))}  {printable(tell(message))}".rstrip()


def clock(at: object) -> str:
    """The hour of a time as it is on the wire, which is UTC."""
    return at[11:19] if isinstance(at, str) and AT.match(at) else "--:--:--"


def terms(intent: object) -> str:
    """What is wanted, in few words: an order, a cancel, a cancel of many, or whatever else has such fields."""
    if not isinstance(intent, dict):
        return ""
    named = _words(intent.get(name) for name in TERMS)
    flags = _words(name for name in ("reduce_only", "post_only", "outside_regular_hours") if intent.get(name))
    scope = _words(intent.get(name) for name in ("venue", "account", "symbol", "strategy"))
    if intent.get("type") == "MassCancelIntent":
        return f"cancel all that works {('of ' + scope) if scope else ''}".rstrip()
    if intent.get("type") == "FlattenIntent":
        return f"flatten {scope or 'all'}"
    if intent.get("type") == "PositionIntent":
        return _words(intent.get(name) for name in ("action", "quantity", "share", "symbol", "limit_price"))
    if intent.get("order_id"):
        verb = str(intent.get("type", "")).removesuffix("Intent").lower()
        return _words((verb, intent["order_id"], named))
    return _words((named, flags, f"for {intent['strategy']}" if intent.get("strategy") else ""))


def fields(message: Parsed) -> str:
    """Every field that is one word or number."""
    told = (
        f"{name} {_text(value)}"
        for name, value in message.items()
        if name not in UNTOLD and value not in ("", None) and not isinstance(value, dict | list)
    )
    return f"{message['type']}  {', '.join(told)}"


def _decision(message: Parsed) -> str:
    approved = message["type"] == "IntentApproved"
    what = _words((message.get("cause"), terms(message.get("intent"))))
    why = "" if approved else f": {message.get('reason', '')}"
    return f"{'APPROVED' if approved else 'DENIED'}  {what}{why} (sent by {message.get('by') or 'nobody known'})"


def _limits_set(message: Parsed) -> str:
    return f"LIMITS  version {message.get('version')} set by {message.get('by')}: {message.get('reason')}"


def _limits_refused(message: Parsed) -> str:
    return f"LIMITS  version {message.get('version')} stays, refused to {message.get('by')}: {message.get('reason')}"


def _flatten_ended(message: Parsed) -> str:
    left = [each for each in message.get("left", []) if isinstance(each, dict)]
    told = (f"{_words((each.get('quantity'), each.get('symbol')))} ({each.get('reason')})" for each in left)
    return f"{'FLAT' if message.get('is_flat') else 'NOT FLAT'}  {message.get('cause')} {', '.join(told)}".rstrip()


def _order_event(message: Parsed) -> str:
    fill, order = message.get("fill"), message.get("order")
    told = [terms(order)] if isinstance(order, dict) else []
    if isinstance(fill, dict):
        left = _text(message.get("leaves_quantity"))
        told += [f"{_words(fill.get(name) for name in ('side', 'quantity', 'symbol'))} at {_text(fill.get('price'))}"]
        told[-1] += f", {left} left"
    if message.get("commission") is not None:
        told.append(f"commission {_text(message['commission'])} {message.get('currency', '')}")
    if message["type"] == "FundingBooked":
        told.append(f"{message.get('symbol')} {_text(message.get('amount'))} {message.get('currency', '')}")
    reason = f": {message['reason']}" if message.get("reason") else ""
    kind = {"CommissionBooked": "COMMISSION", "FundingBooked": "FUNDING", "FillCorrected": "CORRECTED"}
    word = kind.get(message["type"]) or str(message.get("status", message["type"]))
    return f"{word}  {_words((message.get('order_id'), *told))}{reason}"


def _quote(message: Parsed) -> str:
    sides = (_sided("bid", message), _sided("ask", message), _sided("last", message))
    return f"QUOTE  {message.get('symbol')} at {message.get('venue')}: {', '.join(each for each in sides if each)}"


def _sided(name: str, message: Parsed) -> str:
    size = message.get(f"{name}_size")
    of = f" for {_text(size)}" if size is not None else ""
    return f"{name} {_text(message[name])}{of}" if message.get(name) is not None else ""


def _bar(message: Parsed) -> str:
    prices = _words(f"{name} {_text(message.get(name))}" for name in ("open", "high", "low", "close", "volume"))
    return f"BAR  {message.get('symbol')} {message.get('timeframe')} {clock(message.get('start'))}: {prices}"


def _score(message: Parsed) -> str:
    names = ("close", "trend_score", "direction", "ema", "atr", "ema_deviation", "new_high_score")
    told = ", ".join(f"{name} {_text(message[name])}" for name in names if message.get(name) is not None)
    return f"SCORE  {message.get('symbol')} {message.get('timeframe')} {clock(message.get('bar_start'))}: {told}"


def _switch(message: Parsed) -> str:
    return f"trading is {message.get('mode')} by {message.get('by')}: {message.get('reason')}"


def _switched(message: Parsed) -> str:
    where = _words(message.get(name) for name in ("venue", "account", "symbol", "strategy")) or "the desk"
    return f"trading of {where} is {message.get('mode')} by {message.get('by')}: {message.get('reason')}"


def _words(parts: Iterable[object]) -> str:
    return " ".join(_text(part) for part in parts if part not in ("", None))


def _text(value: object) -> str:
    return number_for_people(value) if isinstance(value, str | int | float) else str(value)


TOLD: dict[str, Callable[[Parsed], str]] = {
    "IntentApproved": _decision,
    "IntentDenied": _decision,
    "FlattenEnded": _flatten_ended,
    "LimitsSet": _limits_set,
    "LimitsRefused": _limits_refused,
    "Quote": _quote,
    "Bar": _bar,
    "Score": _score,
    "TradingState": _switch,
    "TradingSwitched": _switched,
    **dict.fromkeys(
        (
            "OrderCreated", "OrderDenied", "OrderAccepted", "OrderTriggered", "OrderHeld", "OrderNoted",
            "OrderReleased", "OrderPartiallyFilled", "OrderFilled", "FillCorrected", "CommissionBooked",
            "FundingBooked", "OrderPendingCancel", "OrderCancelRejected", "OrderCanceled", "OrderRejected",
            "OrderExpired", "OrderUnknown", "OrderReplaced", "OrderClaimed",
        ),
        _order_event,
    ),
}  # fmt: skip
