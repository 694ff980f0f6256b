"""What an account's authenticators let a key do: the chain's trees read, and judged for one key and one sub-account.

Owns the question whether a key may place and cancel for this sub-account and do nothing else. Pure. It must not know
how the chain is asked. Source: v4-chain, protocol/x/accountplus/authenticator: a tree lets a message pass or not, by
who signed it, its type, its sub-account and its market; filters of the last two let every other message pass.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from msgspec import Struct
from signalbox.errors import TranslationError

PLACE, CANCEL = "/dydxprotocol.clob.MsgPlaceOrder", "/dydxprotocol.clob.MsgCancelOrder"
LEVERAGE = "/dydxprotocol.clob.MsgUpdateLeverage"
NEEDED = (PLACE, CANCEL)
HARMLESS = frozenset({*NEEDED, LEVERAGE, "/dydxprotocol.clob.MsgBatchCancel"})
"""Messages of the order book: none of them moves money out of the sub-account."""
OF_ORDERS = HARMLESS - {LEVERAGE}
"""Those that the filters of sub-accounts and markets look at."""
DEPTH_MAX = 16
SEPARATOR = ","
_UINT32_MAX = (1 << 32) - 1
_DIGITS_MAX = 20
_ANOTHER = "another"


class Kind(StrEnum):
    """The chain's words."""

    SIGNATURE = "SignatureVerification"
    MESSAGES = "MessageFilter"
    SUBACCOUNTS = "SubaccountFilter"
    CLOB_PAIRS = "ClobPairIdFilter"
    ALL_OF = "AllOf"
    ANY_OF = "AnyOf"


class Held(Struct, frozen=True):
    """An authenticator of an account, as the chain tells it."""

    id: int
    type: str
    config: bytes


class Rule(Struct, frozen=True, kw_only=True):
    """A tree: a signature's `key`, a filter's `words` or `numbers`, or a composite's `parts`."""

    kind: Kind
    key: bytes = b""
    words: frozenset[str] = frozenset()
    numbers: frozenset[int] = frozenset()
    parts: tuple[Rule, ...] = ()


class Permission(Struct, frozen=True, kw_only=True):
    """`id` is the authenticator to trade through, None = none will do; `text` says what it is, or why none does.

    `clob_pairs` are the markets it is for; None = all of them.
    """

    id: int | None = None
    text: str
    clob_pairs: frozenset[int] | None = None


def judge(held: Iterable[Held], key: bytes, subaccount: int) -> Permission:
    """Choose the authenticator through which `key` trades for a sub-account: the newest that allows that and no more.

    One that would let the key move money, or trade for another sub-account, is not used even if it could be.
    """
    failings, others = [], 0
    for each in sorted(held, key=lambda one: one.id, reverse=True):
        try:
            rule = read(each.type, each.config)
        except TranslationError as error:
            failings.append(f"authenticator {each.id} can not be read: {error}")
            continue
        if not any(leaf.key == key for leaf in _leaves(rule)):
            others += 1
            continue
        failing = _failing(rule, key, subaccount)
        if not failing:
            pairs = _pairs(rule, key, subaccount)
            text = f"authenticator {each.id}: places and cancels for sub-account {subaccount}"
            if pairs is not None:
                text += f", in the markets {', '.join(map(str, sorted(pairs)))} alone (clob pair ids)"
            return Permission(id=each.id, text=text, clob_pairs=pairs)
        failings.append(f"authenticator {each.id} {failing}")
    if failings:
        return Permission(text="; ".join(failings))
    there = f"; it has {others} for other keys" if others else ""
    return Permission(text=f"the account has no authenticator for this trading key{there}")


def _failing(rule: Rule, key: bytes, subaccount: int) -> str:
    """Why a rule will not do; "" = it will."""
    leaves = tuple(_leaves(rule))
    named = frozenset().union(*(leaf.words for leaf in leaves))
    numbers = frozenset().union(*(leaf.numbers for leaf in leaves))
    unnamed = next(number for number in range(len(numbers) + 1) if number not in numbers)
    if _passes_anywhere(rule, key, _ANOTHER, None, numbers | {unnamed}):
        return "lets the key send every message, transfers and withdrawals too: it must have a MessageFilter"
    for url in sorted(named - HARMLESS):
        if url.startswith("/") and _passes_anywhere(rule, key, url, None, numbers | {unnamed}):
            return f"lets the key send {url}: it must not"
    # A sub-account's numbers end well below these
    for other in sorted((numbers | {unnamed, subaccount + 1}) - {subaccount}):
        for url in sorted(OF_ORDERS):
            if _passes_anywhere(rule, key, url, other, numbers | {unnamed}):
                return (
                    f"lets the key trade for sub-account {other} too: it must have a SubaccountFilter for {subaccount}"
                )
    lacking = [url for url in NEEDED if not _passes_anywhere(rule, key, url, subaccount, numbers | {unnamed})]
    if lacking:
        return f"does not let the key send {' and '.join(lacking)} for sub-account {subaccount}"
    return ""


def _passes_anywhere(rule: Rule, key: bytes, url: str, subaccount: int | None, pairs: Iterable[int]) -> bool:
    return any(passes(rule, key, url, subaccount, pair) for pair in pairs)


def _pairs(rule: Rule, key: bytes, subaccount: int) -> frozenset[int] | None:
    """The markets in which a key may both place and cancel; None = in all of them."""
    numbers = frozenset().union(*(leaf.numbers for leaf in _leaves(rule)))
    unnamed = next(number for number in range(len(numbers) + 1) if number not in numbers)

    def both(pair: int) -> bool:
        return all(passes(rule, key, url, subaccount, pair) for url in NEEDED)

    return None if both(unnamed) else frozenset(filter(both, numbers))


def passes(rule: Rule, key: bytes, url: str, subaccount: int | None, pair: int | None) -> bool:
    """Say whether a message of type `url` that `key` has signed passes, as the chain finds it."""
    match rule.kind:
        case Kind.SIGNATURE:
            return rule.key == key
        case Kind.MESSAGES:
            return url in rule.words
        case Kind.SUBACCOUNTS:
            return url not in OF_ORDERS or subaccount in rule.numbers
        case Kind.CLOB_PAIRS:
            return url not in OF_ORDERS or pair in rule.numbers
        case Kind.ALL_OF:
            return all(passes(part, key, url, subaccount, pair) for part in rule.parts)
        case Kind.ANY_OF:
            return any(passes(part, key, url, subaccount, pair) for part in rule.parts)


def read(type_: str, config: bytes, depth: int = 0) -> Rule:
    """Read an authenticator. Raises `TranslationError` for what is none, or of a kind that is not known here."""
    try:
        kind = Kind(type_)
    except ValueError:
        raise TranslationError(f"{type_[:40]!r} is no kind of authenticator that is known here") from None
    match kind:
        case Kind.SIGNATURE:
            return Rule(kind=kind, key=config)
        case Kind.MESSAGES:
            return Rule(kind=kind, words=frozenset(config.decode(errors="replace").split(SEPARATOR)))
        case Kind.SUBACCOUNTS | Kind.CLOB_PAIRS:
            return Rule(kind=kind, numbers=frozenset(_numbers(config, kind)))
    if depth >= DEPTH_MAX:
        raise TranslationError(f"it is nested deeper than {DEPTH_MAX}")
    try:
        rows = json.loads(config)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not rows:
        raise TranslationError(f"what {kind} is made of is no list")
    return Rule(kind=kind, parts=tuple(read(*_row(row), depth + 1) for row in rows))


def told(rule: Rule) -> str:
    """A rule in words."""
    match rule.kind:
        case Kind.SIGNATURE:
            return f"signed by {rule.key.hex()}"
        case Kind.MESSAGES:
            return " or ".join(word.rpartition(".")[2] or word for word in sorted(rule.words))
        case Kind.SUBACCOUNTS:
            return f"sub-account {' or '.join(map(str, sorted(rule.numbers)))}"
        case Kind.CLOB_PAIRS:
            return f"clob pair {' or '.join(map(str, sorted(rule.numbers)))}"
    return (" and " if rule.kind is Kind.ALL_OF else " or ").join(f"({told(part)})" for part in rule.parts)


def config_of(parts: Iterable[tuple[Kind, bytes]]) -> bytes:
    """Write the text of a composite."""
    rows = [{"type": kind.value, "config": base64.b64encode(config).decode()} for kind, config in parts]
    return json.dumps(rows, separators=(",", ":")).encode()


def trading_rule(
    key: bytes, subaccount: int, clob_pairs: Iterable[int] = (), more: Iterable[str] = ()
) -> tuple[Kind, bytes]:
    """Write the authenticator that `judge` is content with; without `clob_pairs` it is for all markets."""
    parts = [
        (Kind.SIGNATURE, key),
        (Kind.MESSAGES, SEPARATOR.join([*NEEDED, *more]).encode()),
        (Kind.SUBACCOUNTS, str(subaccount).encode()),
    ]
    if pairs := sorted(set(clob_pairs)):
        parts.append((Kind.CLOB_PAIRS, SEPARATOR.join(map(str, pairs)).encode()))
    return Kind.ALL_OF, config_of(parts)


def _leaves(rule: Rule) -> Iterator[Rule]:
    if not rule.parts:
        yield rule
    for part in rule.parts:
        yield from _leaves(part)


def _numbers(config: bytes, kind: Kind) -> Iterator[int]:
    for text in config.decode(errors="replace").split(SEPARATOR):
        if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and int(text) <= _UINT32_MAX):
            raise TranslationError(f"{text[:40]!r} in its {kind} is no number, so the chain lets nothing pass")
        yield int(text)


def _row(row: Any) -> tuple[str, bytes]:
    """A part of a composite: Go reads its bytes from base64, and from a list of numbers too."""
    type_, config = (row.get("type"), row.get("config")) if isinstance(row, dict) else (None, None)
    if not isinstance(type_, str):
        raise TranslationError("a part of it has no type")
    if isinstance(config, str):
        try:
            return type_, base64.b64decode(config, validate=True)
        except binascii.Error:
            raise TranslationError(f"its part {type_[:40]} is no base64") from None
    if isinstance(config, list) and all(type(each) is int and 0 <= each <= 255 for each in config):
        return type_, bytes(config)
    raise TranslationError(f"its part {type_[:40]} has no text")
