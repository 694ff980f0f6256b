"""Which recorded answer a question gets, at a place of the script. Pure but for what has been answered.

Owns what must not be told before something else. An answer is given as soon as the script has come to its place, to who
asks then or later, and the latest one counts. What a gateway concludes from several answers together must be of one
moment, or of later ones:

    the indexer's height       one behind which the others are answered by now: a new one, or in a hurry the last
    orders, funding payments   the first since that height's
    fills                      the first since the height's, and since the sub-account's that was told last
    the sub-account            the first since those fills
    candles                    of all answers together, if they cover what is asked for
    books                      at their place alone: an old one would contradict the websocket's
    everything else            the latest
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from signalbox_cli.sessions.dydx_node_messages import LATEST_BLOCK
from signalbox_cli.sessions.dydx_script import Exchange, Script
from signalbox_cli.sessions.dydx_today import Today

HEIGHT = "/v4/height"
_FILLS, _SUBACCOUNT, _CANDLES, _BOOKS = "/v4/fills", "/v4/addresses/", "/v4/candles/", "/v4/orderbooks/"
_ONE_ORDER = "/v4/orders/"
_WITH_HEIGHT = ("/v4/orders", "/v4/fundingPayments")
CANDLES_MARGIN = timedelta(minutes=2)
"""So much may be asked for beside what was recorded: gateways begin at another moment."""


class Answers:
    """`place`: every answer before it may be given. `over`: the script has come to its end."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.place = 0
        self.over = False
        self._height, self._fills, self._subaccount = -1, -1, -1
        """Where the answers are that were given last."""
        self._met: dict[str, int] = {}
        """By question: the failure that was met last."""
        self._sent: dict[tuple[str, str], int] = {}
        """How often an order was placed, and cancelled, today."""
        self._given: dict[str, tuple[tuple[Exchange, ...], tuple[int, ...]]] = {}

    def knows(self, key: str) -> bool:
        """Whether the session has an answer to such a question anywhere."""
        return bool(self._of(key)[0])

    def failure(self, key: str) -> Exchange | None:
        """The failure that a question met last by now, once; None = it was answered, or nobody is to meet it again."""
        exchanges = self._script.by_key.get(key, ())
        passed = [each for each in exchanges if 0 <= each.answered < self.place]
        if not passed or passed[-1].says_something or self._met.get(key, -1) >= passed[-1].answered:
            return None
        self._met[key] = passed[-1].answered
        return passed[-1]

    def answer(self, key: str, asked_at: int, *, in_a_hurry: bool = False) -> Exchange | None:
        """The answer to a question that was asked when the script was at `asked_at`; None = not yet.

        `in_a_hurry`: it has waited for long, and an older answer does.
        """
        path = key.partition(" ")[0]
        if path == HEIGHT:
            return self._answer_height(key, asked_at, in_a_hurry=in_a_hurry)
        if path.startswith(_BOOKS):
            return self._first(key, asked_at)
        if path.startswith(_FILLS):
            since = max(self._height, -1 if in_a_hurry else self._subaccount)
            found = self._first(key, since)
            self._fills = found.answered if found is not None else self._fills
            return found
        if path.startswith(_SUBACCOUNT):
            found = self._first(key, self._height if in_a_hurry else self._fills)
            self._subaccount = found.answered if found is not None else self._subaccount
            return found
        if path.startswith(_WITH_HEIGHT):
            found = self._first(key, self._height)
            return self._latest(key) if found is None and in_a_hurry and path.startswith(_ONE_ORDER) else found
        return self._latest(key)

    def repeated(self, transaction: Mapping[str, Any], today: Today) -> tuple[str, str] | None:
        """Status and body for a transaction about an order that was sent before: as it was said to the same number of
        them, or to the last; None = it is the first of its kind, which has a place of its own.
        """
        for what in ("place", "cancel"):
            id_ = transaction.get(what, {}).get("id")
            if id_ is None:
                continue
            exchanges = self._script.about_orders.get((what, today.recorded(id_)), ())
            count = self._sent[what, id_] = self._sent.get((what, id_), 0) + 1
            if count > 1 and exchanges:
                exchange = exchanges[min(count, len(exchanges)) - 1]
                return exchange.status, exchange.body
        return None

    def newest_block(self) -> dict[str, str] | None:
        """The newest block that any answer may tell of by now, as the websocket tells it; None = there is none."""
        found = [self._latest(key) for key in self._script.by_key if key.partition(" ")[0] in (HEIGHT, LATEST_BLOCK)]
        told = [msgspec.json.decode(each.body) for each in found if each is not None]
        newest = max(told, key=lambda block: int(block["height"]), default=None)
        return {"blockHeight": newest["height"], "time": newest["time"]} if newest is not None else None

    def candles(self, key: str, parameters: Mapping[str, str]) -> dict[str, Any] | None:
        """The candles of what is asked for; None = not all of it was recorded."""
        begin, end = _time(parameters.get("fromISO")), _time(parameters.get("toISO"))
        exchanges = [each for each in self._script.by_key.get(key, ()) if each.status == "200"]
        if begin is None or end is None or not _covered(exchanges, begin, end):
            return None
        rows: dict[str, Any] = {}
        for exchange in exchanges:
            if exchange.answered < self.place:
                rows |= {row["startedAt"]: row for row in msgspec.json.decode(exchange.body).get("candles", [])}
        wanted = [row for at, row in rows.items() if (time := _time(at)) is not None and begin <= time < end]
        return {"candles": sorted(wanted, key=lambda row: row["startedAt"], reverse=True)}

    def _answer_height(self, key: str, asked_at: int, *, in_a_hurry: bool) -> Exchange | None:
        """A height behind which everything else can be answered by now: if not in a hurry, a new one."""
        block = self.newest_block() if self.over else None
        if block is not None:  # nothing is to come any more: what was said last is of the newest block, too
            about = msgspec.json.encode({"height": block["blockHeight"], "time": block["time"]}).decode()
            found: Exchange | None = Exchange(key, {}, self.place, self.place, "200", about)
        elif in_a_hurry or self.over:
            found = self._before(key, self._complete_since((*_WITH_HEIGHT, _FILLS, _SUBACCOUNT))) or self._latest(key)
        else:
            found = self._before(key, self._complete_since((_FILLS,)))
            found = found if found is not None and found.answered >= asked_at else None
        if found is not None:
            self._height = self._fills = self._subaccount = found.answered
        return found

    def _complete_since(self, paths: tuple[str, ...]) -> int:
        """Up to where each of these has an answer by now, of those that the session has at all; -1 = not all have."""
        latest = [
            max((found.answered for key in keys if (found := self._latest(key)) is not None), default=-1)
            for path in paths
            if (keys := [key for key in self._script.by_key if key.partition(" ")[0].startswith(path)])
        ]
        return min(latest, default=-1)

    def _before(self, key: str, place: int) -> Exchange | None:
        given, places = self._of(key)
        at = bisect_left(places, place)
        return given[at - 1] if at else None

    def _first(self, key: str, since: int) -> Exchange | None:
        """The first since a place; at the script's end the latest, if there is none."""
        given, places = self._of(key)
        at = bisect_left(places, since)
        if at < len(given) and given[at].answered < self.place:
            return given[at]
        return self._latest(key) if self.over else None

    def _latest(self, key: str) -> Exchange | None:
        given, places = self._of(key)
        at = bisect_left(places, self.place)
        return given[at - 1] if at else None

    def _of(self, key: str) -> tuple[tuple[Exchange, ...], tuple[int, ...]]:
        """Those that say something, and their places."""
        if key not in self._given:
            given = tuple(each for each in self._script.by_key.get(key, ()) if each.says_something)
            self._given[key] = given, tuple(each.answered for each in given)
        return self._given[key]


def _covered(exchanges: list[Exchange], begin: datetime, end: datetime) -> bool:
    """Whether what was asked for in the session contains it, but for a margin."""
    reached = begin
    spans = sorted(
        (since, until)
        for each in exchanges
        if (since := _time(each.parameters.get("fromISO"))) and (until := _time(each.parameters.get("toISO")))
    )
    for since, until in spans:
        if since <= reached + CANDLES_MARGIN:
            reached = max(reached, until)
    return reached + CANDLES_MARGIN >= end and bool(spans)


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
