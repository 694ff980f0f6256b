"""Open and completed orders as TWS sends them: the two longest messages.

Owns their layout, as tables of names in the order in which they travel with the text TWS sends for a plain order.
Pure. What the client stated in placeOrder under the same name stands in their place; it must not know any rule about
orders. Layout: `ib_async.decoder.Decoder.openOrder` and IB's `ibapi.orderdecoder`, which agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from signalbox.exchange.listing import Listing

from simulators.tws.kinds import Outbound
from simulators.tws.replies import Message, contract_fields
from simulators.tws.wire import UNSET_DOUBLE, UNSET_INTEGER, decimal_text


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """An order to be told: `fields` are the client's own texts by name (empty for an order of another origin)."""

    order_id: int
    client_id: int
    perm_id: int
    listing: Listing
    fields: Mapping[str, str]
    status: str
    filled: Decimal = Decimal(0)
    completed_time: str = ""
    completed_status: str = ""


@dataclass(frozen=True, slots=True)
class MarginFacts:
    """What a whatIf order would do: before, change, after; of initial margin, maintenance margin and equity."""

    initial: tuple[Decimal, Decimal, Decimal]
    maintenance: tuple[Decimal, Decimal, Decimal]
    equity: tuple[Decimal, Decimal, Decimal]
    commission: Decimal
    currency: str
    warning: str = ""

    def texts(self) -> tuple[str, ...]:
        columns = zip(self.initial, self.maintenance, self.equity, strict=True)
        money = (decimal_text(amount) for column in columns for amount in column)
        return (*money, decimal_text(self.commission), "", "", self.currency, self.warning)


_NO_MARGIN = (UNSET_DOUBLE,) * 9 + (UNSET_DOUBLE,) * 3 + ("", "")

_TERMS = (
    ("action", ""),
    ("totalQuantity", "0"),
    ("orderType", ""),
    ("lmtPrice", "0.0"),
    ("auxPrice", "0.0"),
    ("tif", "DAY"),
    ("ocaGroup", ""),
    ("account", ""),
    ("openClose", ""),
    ("origin", "0"),
    ("orderRef", ""),
)
_EXTENDED = (("outsideRth", "0"), ("hidden", "0"), ("discretionaryAmt", "0"), ("goodAfterTime", ""))
_ALLOCATION = (("faGroup", ""), ("faMethod", ""), ("faPercentage", ""))
_ROUTING = (
    ("modelCode", ""),
    ("goodTillDate", ""),
    ("rule80A", ""),
    ("percentOffset", ""),
    ("settlingFirm", ""),
    ("shortSaleSlot", "0"),
    ("designatedLocation", ""),
    ("exemptCode", "-1"),
)
_BOX = (
    ("startingPrice", ""),
    ("stockRefPrice", ""),
    ("delta", ""),
    ("stockRangeLower", ""),
    ("stockRangeUpper", ""),
    ("displaySize", "0"),
)
_VOLATILITY = (("triggerMethod", "0"), ("volatility", ""), ("volatilityType", "0"))
_DELTA_NEUTRAL = ("None", "")  # the word None counts as a delta-neutral order type, so its block follows
_TRAILING = (
    ("continuousUpdate", "0"),
    ("referencePriceType", "0"),
    ("trailStopPrice", ""),
    ("trailingPercent", ""),
)
_TRAILS_AT = (("trailStopPrice", UNSET_DOUBLE), ("lmtPriceOffset", UNSET_DOUBLE))
"""Once more, among what adjusts an order: clients keep what they read last."""
_CONDITION = (
    *("conditionConjunction", "conditionIsMore", "conditionPrice", "conditionConId", "conditionExchange"),
    *("conditionMethod", "conditionsIgnoreRth", "conditionsCancelOrder"),
)
_NO_LEGS = ("", "0", "0", "0")  # description; legs, leg prices and routing parameters, all none
_NO_SCALE = (UNSET_INTEGER, UNSET_INTEGER, "", "")  # two sizes, increment; then no hedge
_PEGGED = ("", "", UNSET_DOUBLE, "", "")  # minTradeQty, minCompeteSize, competeAgainstBestOffset, two mid offsets

_CONTRACT_FIELDS = 11
COMPLETED_ORDER_PROFILE_AT = 1 + _CONTRACT_FIELDS + len(_TERMS) + 1 + len(_EXTENDED) + len(_ALLOCATION)
OPEN_ORDER_PROFILE_AT = COMPLETED_ORDER_PROFILE_AT + 3
"""Where servers before version 177 had one field more; ahead of it message 5 has two more ids and an empty field."""

Pairs = tuple[tuple[str, str], ...]


def _texts(facts: OrderFacts, table: Pairs) -> tuple[str, ...]:
    return tuple(facts.fields.get(name) or default for name, default in table)


def _conditions(facts: OrderFacts) -> tuple[str, ...]:
    """The price that its contract has to trade at first, if any."""
    if not facts.fields.get("conditionPrice"):
        return ("0",)
    return ("1", "1", *(facts.fields.get(name, "") for name in _CONDITION))


def open_order(facts: OrderFacts, margin: MarginFacts | None = None) -> Message:
    """Write message 5; `margin` makes it the answer to a whatIf order."""
    return (
        Outbound.OPEN_ORDER,
        facts.order_id,
        *contract_fields(facts.listing, right="?"),
        *_texts(facts, _TERMS),
        facts.client_id,
        facts.perm_id,
        *_texts(facts, _EXTENDED),
        "",
        *_texts(facts, _ALLOCATION),
        *_texts(facts, _ROUTING),
        *_texts(facts, (("auctionStrategy", "0"),)),
        *_texts(facts, _BOX),
        *_texts(facts, (("blockOrder", "0"), ("sweepToFill", "0"), ("allOrNone", "0"), ("minQty", UNSET_INTEGER))),
        *_texts(facts, (("ocaType", "3"), ("eTradeOnly", "0"), ("firmQuoteOnly", "0"), ("nbboPriceCap", ""))),
        *_texts(facts, (("parentId", "0"), *_VOLATILITY)),
        *_DELTA_NEUTRAL,
        *("0", "", "", "", "?", "0", "0", ""),  # the delta-neutral block of an order that is not
        *_texts(facts, _TRAILING),
        *("", ""),  # basisPoints and their type
        *_NO_LEGS,
        *_NO_SCALE,
        *_texts(facts, (("optOutSmartRouting", "0"), ("clearingAccount", ""), ("clearingIntent", "IB"))),
        *_texts(facts, (("notHeld", "0"),)),
        *("0", ""),  # no delta-neutral contract, no algorithm
        *_texts(facts, (("solicited", "0"),)),
        "0" if margin is None else "1",
        facts.status,
        *(_NO_MARGIN if margin is None else margin.texts()),
        *_texts(facts, (("randomizeSize", "0"), ("randomizePrice", "0"))),
        *_conditions(facts),
        *("None", UNSET_DOUBLE),  # an adjusted order type, its trigger
        *_texts(facts, _TRAILS_AT),
        *(UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE, "0"),
        *_texts(facts, (("softDollarTierName", ""), ("softDollarTierValue", ""))),
        "",  # the tier's display name
        *_texts(facts, (("cashQty", "0"), ("dontUseAutoPriceForHedge", "0"), ("isOmsContainer", "0"))),
        *_texts(facts, (("discretionaryUpToLimitPrice", "0"), ("usePriceMgmtAlgo", "0"))),
        *_texts(facts, (("duration", UNSET_INTEGER), ("postToAts", UNSET_INTEGER), ("autoCancelParent", "0"))),
        *_PEGGED,
    )


def completed_order(facts: OrderFacts) -> Message:
    """Write message 101: no order id, no client id, and other fields than message 5."""
    return (
        Outbound.COMPLETED_ORDER,
        *contract_fields(facts.listing, right="?"),
        *_texts(facts, _TERMS),
        facts.perm_id,
        *_texts(facts, _EXTENDED),
        *_texts(facts, _ALLOCATION),
        *_texts(facts, _ROUTING),
        *_texts(facts, _BOX),
        *_texts(facts, (("sweepToFill", "0"), ("allOrNone", "0"), ("minQty", UNSET_INTEGER), ("ocaType", "3"))),
        *_texts(facts, _VOLATILITY),
        *_DELTA_NEUTRAL,
        *("0", "0", "0", ""),
        *_texts(facts, _TRAILING),
        *_NO_LEGS,
        *_NO_SCALE,
        *_texts(facts, (("clearingAccount", ""), ("clearingIntent", "IB"), ("notHeld", "0"))),
        *("0", ""),  # no delta-neutral contract, no algorithm
        *_texts(facts, (("solicited", "0"),)),
        facts.status,
        *_texts(facts, (("randomizeSize", "0"), ("randomizePrice", "0"))),
        *_conditions(facts),
        *_texts(facts, _TRAILS_AT),
        *_texts(facts, (("cashQty", "0"), ("dontUseAutoPriceForHedge", "0"), ("isOmsContainer", "0"))),
        "",  # autoCancelDate
        decimal_text(facts.filled),
        UNSET_INTEGER,  # refFuturesConId
        *("0", "Not an insider or substantial shareholder", "0", "0", "0"),
        facts.completed_time,
        facts.completed_status,
        *_PEGGED,
    )
