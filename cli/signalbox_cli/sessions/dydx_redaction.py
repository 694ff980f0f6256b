"""Which fields of the indexer's JSON go into a recorded session, and under which names. Pure but for the pseudonyms.

Owns what is kept: questions that a gateway asks, by a list of their paths; of texts numbers, times, the indexer's own
words where it writes them, and names of markets. An id, an address and any other text has another name. Source: the
indexer's published swagger and its websocket types.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from signalbox_cli.sessions.dydx_names import (
    choice_name,
    hash_name,
    number_name,
    subscription_name,
    uuid_name,
)
from signalbox_cli.sessions.pseudonyms import Pseudonyms

_NUMBER = re.compile(r"[+-]?\d{1,60}(\.\d{1,60})?([eE][+-]?\d{1,3})?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DIGEST = re.compile(r"(0x)?[0-9a-f]{16,128}", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z]{2,16}1[02-9ac-hj-np-z]{38,58}")
_SUBSCRIPTION = re.compile(rf"{_ADDRESS.pattern}/\d{{1,6}}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,60}|\d{1,2}(\.\d{1,2}){2}|\d?[A-Z0-9]{2,8}")
_MARKET = re.compile(r"[A-Z0-9,._$-]{1,80}-USD(/[0-9A-Z]{3,8})?|USDC", re.IGNORECASE)
_CHANNEL = re.compile(r"v4_[a-z_]{3,30}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")

_WORDS = frozenset(
    {
        *("type", "channel", "version", "status", "side", "liquidity", "timeInForce", "marketType", "removalReason"),
        *("resolution", "symbol", "positionSide", "limit", "returnLatestOrders", "tickerType"),
    }
)
"""Where the indexer writes a word of its own."""
_CHOICES = frozenset({"clientId", "clientMetadata"})
_SUBACCOUNTS = frozenset({"subaccountNumber", "parentSubaccountNumber"})
_SENTENCES = frozenset({"message", "msg", "error"})
_BY_MARKET = frozenset({"markets", "trading", "oraclePrices", "openPerpetualPositions", "assetPositions"})
"""Objects whose fields are called as markets are."""
_PUBLIC = frozenset({"v4_orderbook", "v4_trades", "v4_candles", "v4_markets", "v4_block_height"})
"""Channels without an account: ids in them (of trades, of candles) are everybody's."""

_PATHS = tuple(
    re.compile(pattern)
    for pattern in (
        r"/v4/(height|time|perpetualMarkets|orders|fills|transfers|fundingPayments)",
        r"/v4/(orderbooks/perpetualMarket|candles/perpetualMarkets|historicalFunding)/(?P<market>[^/?]{1,90})",
        r"/v4/addresses/(?P<address>[^/?]{1,90})/subaccountNumber/(?P<number>\d{1,6})",
        r"/v4/orders/(?P<id>[^/?]{1,90})",
    )
)

PARAMETERS = frozenset(
    {
        *("address", "subaccountNumber", "status", "limit", "returnLatestOrders", "createdBeforeOrAtHeight", "market"),
        *("createdBeforeOrAt", "fromISO", "toISO", "resolution", "afterOrAt", "page", "ticker", "tickerType", "side"),
        *("marketType", "type"),
    }
)
"""What a question may be narrowed by."""

Question = tuple[str, str]
"""Path and query, as they are asked."""


class DydxRedaction:
    """Hides what a question, an answer or a message tells of people."""

    def __init__(self, names: Pseudonyms) -> None:
        self.names = names

    def question(self, path: str, query: dict[str, str]) -> Question | None:
        """What is kept of a question over REST; None = nothing."""
        found = next((match for pattern in _PATHS if (match := pattern.fullmatch(path))), None)
        if found is None:
            return None
        kept = path
        for kind, value in found.groupdict().items():
            name = {"address": "address", "number": "subaccountNumber", "id": "id"}.get(kind, "ticker")
            start, end = found.span(kind)
            kept = kept[:start] + self._text(name, value) + kept[end:]
        return kept, "&".join(
            f"{name}={self._listed(name, value)}" for name, value in query.items() if name in PARAMETERS
        )

    def json(self, data: str | bytes) -> str | None:
        """A JSON text with names for what is hidden; None = it is none."""
        try:
            value = msgspec.json.decode(data)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        public = isinstance(value, dict) and value.get("channel") in _PUBLIC
        return msgspec.json.encode(self._value("", value, public)).decode()

    def _listed(self, name: str, value: str) -> str:
        return ",".join(self._text(name, part) for part in value.split(","))

    def _value(self, name: str, value: Any, public: bool) -> Any:
        if isinstance(value, dict):
            return {self._field(name, key): self._value(key, each, public) for key, each in value.items()}
        if isinstance(value, list):
            return [self._value("" if isinstance(each, dict) else name, each, public) for each in value]
        if isinstance(value, str):
            return self._text(name, value, public)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if is_whole and (name in _SUBACCOUNTS or name in _CHOICES):
            return int(self._text(name, str(value)))
        return value

    def _field(self, parent: str, name: str) -> str:
        if parent in _BY_MARKET or _FIELD.fullmatch(name) is None:
            return self._text("ticker", name)
        return self.names.hidden(name)

    def _text(self, name: str, text: str, public: bool = False) -> str:
        names = self.names
        if name in _SENTENCES:
            return names.sentence(text)
        if name in _SUBACCOUNTS:
            return number_name(text, names)
        if name in _CHOICES:
            return choice_name(text, names)
        if _is_kept(name, text):
            return names.hidden(text)
        if _UUID.fullmatch(text):
            return text if public and name == "id" else uuid_name(text, names)
        if _SUBSCRIPTION.fullmatch(text):
            return subscription_name(text, names)
        if _ADDRESS.fullmatch(text):
            return names.chain_address(text)
        if _DIGEST.fullmatch(text):
            return text if public and name == "id" else hash_name(text, names)
        return names.chosen(text)


def _is_kept(name: str, text: str) -> bool:
    """Whether a text may stand in the file, but for what is known to be secret in it."""
    if text == "" or _NUMBER.fullmatch(text) or _TIME.fullmatch(text) or _CHANNEL.fullmatch(text):
        return True
    if name in ("ticker", "market", "id"):
        return _MARKET.fullmatch(text) is not None
    return name in _WORDS and _WORD.fullmatch(text) is not None
