"""The placeOrder message: about 114 fields and the blocks that depend on them.

Owns its layout, written as tables of names in the order in which they travel. Pure. It must not know which orders
are allowed. Layout: IB's client and `ib_async.client.Client.placeOrder`, which agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from simulators.tws import versions
from simulators.tws.wire import FieldError, FieldReader, flag_of, integer_of, number_of

ITEMS_MAX = 100
"""Legs, algorithm parameters or conditions in one order; more is garbage."""


@dataclass(frozen=True, slots=True)
class WireContract:
    """A contract as a client describes it: any field may be left empty."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    expiry: str = ""
    strike: Decimal = Decimal(0)
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""


def read_contract(reader: FieldReader) -> WireContract:
    """Read the twelve fields of a contract. Raises FieldError."""
    return WireContract(
        reader.integer_or("contract id", 0),
        reader.text("symbol"),
        reader.text("security type"),
        reader.text("expiry"),
        reader.number("strike") or Decimal(0),
        reader.text("right"),
        reader.text("multiplier"),
        reader.text("exchange"),
        reader.text("primary exchange"),
        reader.text("currency"),
        reader.text("local symbol"),
        reader.text("trading class"),
    )


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """An order as a client states it. `fields` are the checked texts by name; `blocks` names the extra parts it has."""

    order_id: int
    contract: WireContract
    fields: Mapping[str, str]
    blocks: frozenset[str]

    def text(self, name: str) -> str:
        return self.fields[name]

    def number(self, name: str) -> Decimal | None:
        return number_of(name, self.fields[name])

    def flag(self, name: str) -> bool:
        return flag_of(name, self.fields[name])

    def integer(self, name: str) -> int:
        return integer_of(name, self.fields[name]) or 0


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Each name is followed by its type: `:i` integer, `:n` number, `:f` flag; a text has none.
HEAD = _names(
    "secIdType secId action totalQuantity:n orderType lmtPrice:n auxPrice:n tif ocaGroup account openClose origin:i"
    " orderRef transmit:f parentId:i blockOrder:f sweepToFill:f displaySize:i triggerMethod:i outsideRth:f hidden:f"
)
LEG = _names("conId:i ratio:i action exchange openClose:i shortSaleSlot:i designatedLocation exemptCode:i")
ALLOCATION = _names("sharesAllocation discretionaryAmt:n goodAfterTime goodTillDate faGroup faMethod faPercentage")
MIDDLE = _names(
    "modelCode shortSaleSlot:i designatedLocation exemptCode:i ocaType:i rule80A settlingFirm allOrNone:f minQty:i"
    " percentOffset:n eTradeOnly:f firmQuoteOnly:f nbboPriceCap:n auctionStrategy:i startingPrice:n stockRefPrice:n"
    " delta:n stockRangeLower:n stockRangeUpper:n overridePercentageConstraints:f volatility:n volatilityType:i"
    " deltaNeutralOrderType deltaNeutralAuxPrice:n"
)
DELTA_NEUTRAL_ORDER = _names(
    "deltaNeutralConId:i deltaNeutralSettlingFirm deltaNeutralClearingAccount deltaNeutralClearingIntent"
    " deltaNeutralOpenClose deltaNeutralShortSale:f deltaNeutralShortSaleSlot:i deltaNeutralDesignatedLocation"
)
SCALE = _names(
    "continuousUpdate:f referencePriceType:i trailStopPrice:n trailingPercent:n scaleInitLevelSize:i"
    " scaleSubsLevelSize:i scalePriceIncrement:n"
)
SCALE_MORE = _names(
    "scalePriceAdjustValue:n scalePriceAdjustInterval:i scaleProfitOffset:n scaleAutoReset:f scaleInitPosition:i"
    " scaleInitFillQty:i scaleRandomPercent:f"
)
HEDGE = _names("scaleTable activeStartTime activeStopTime hedgeType")
CLEARING = _names("optOutSmartRouting:f clearingAccount clearingIntent notHeld:f deltaNeutralContract:f")
AFTER_ALGO = _names("algoId whatIf:f orderMiscOptions solicited:f randomizeSize:f randomizePrice:f")
PEG_BENCH = _names(
    "referenceContractId:i isPeggedChangeAmountDecrease:f peggedChangeAmount:n referenceChangeAmount:n"
    " referenceExchangeId"
)
CONDITION_FIELDS = {1: 6, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5}
"""Fields that follow a condition's type: price, time, margin, execution, volume, percent change."""
PRICE = 1
PRICE_CONDITION = _names(
    "conditionConjunction conditionIsMore:f conditionPrice:n conditionConId:i conditionExchange conditionMethod:i"
)
PRICE_CONDITIONED = "price condition"
"""What the order has that is worked once a contract has traded at a price."""
TAIL = _names(
    "adjustedOrderType triggerPrice:n lmtPriceOffset:n adjustedStopPrice:n adjustedStopLimitPrice:n"
    " adjustedTrailingAmount:n adjustableTrailingUnit:i extOperator softDollarTierName softDollarTierValue cashQty:n"
    " mifid2DecisionMaker mifid2DecisionAlgo mifid2ExecutionTrader mifid2ExecutionAlgo dontUseAutoPriceForHedge:f"
    " isOmsContainer:f discretionaryUpToLimitPrice:f usePriceMgmtAlgo:f"
)
LATER = (
    (versions.WITH_DURATION, "duration:i"),
    (versions.WITH_POST_TO_ATS, "postToAts:i"),
    (versions.WITH_AUTO_CANCEL_PARENT, "autoCancelParent:f"),
    (versions.WITH_ADVANCED_REJECT, "advancedErrorOverride"),
    (versions.WITH_MANUAL_TIME, "manualOrderTime"),
)
"""What follows, each from a server version on."""

PEG_BEST = frozenset({"PEG BEST", "PEGBEST"})
PEG_MID = frozenset({"PEG MID", "PEGMID"})


def read_place_order(reader: FieldReader) -> PlaceOrder:
    """Read the message after its id. Raises FieldError naming the field that is wrong."""
    fields: dict[str, str] = {}
    blocks: set[str] = set()
    order_id = reader.integer("order id")
    contract = read_contract(reader)
    _read(reader, HEAD, fields)
    if contract.sec_type == "BAG":
        blocks.add("combination legs")
        _read_legs(reader)
    _read(reader, ALLOCATION, fields)
    if reader.server_version < versions.WITHOUT_ALLOCATION_PROFILE and reader.text("faProfile"):
        blocks.add("allocation profile")
    _read(reader, MIDDLE, fields)
    if fields["deltaNeutralOrderType"]:
        blocks.add("delta-neutral order")
        _read(reader, DELTA_NEUTRAL_ORDER, fields)
    _read(reader, SCALE, fields)
    if (number_of("scalePriceIncrement", fields["scalePriceIncrement"]) or 0) > 0:
        blocks.add("scale order")
        _read(reader, SCALE_MORE, fields)
    _read(reader, HEDGE, fields)
    if fields["hedgeType"]:
        blocks.add("hedge order")
        _read(reader, ["hedgeParam"], fields)
    _read(reader, CLEARING, fields)
    if flag_of("deltaNeutralContract", fields["deltaNeutralContract"]):
        blocks.add("delta-neutral contract")
        _read(reader, ["deltaNeutralContractId:i", "deltaNeutralDelta:n", "deltaNeutralPrice:n"], fields)
    _read(reader, ["algoStrategy"], fields)
    if fields["algoStrategy"]:
        blocks.add("algorithm")
        _read_pairs(reader, "algorithm parameters")
    _read(reader, AFTER_ALGO, fields)
    if fields["orderType"] in ("PEG BENCH", "PEGBENCH"):
        _read(reader, PEG_BENCH, fields)
    if condition := _read_conditions(reader, fields):
        blocks.add(condition)
    _read(reader, TAIL, fields)
    _read(reader, [name for first, name in LATER if reader.server_version >= first], fields)
    if reader.server_version >= versions.WITH_PEGGED_OFFSETS:
        _read_pegged_tail(reader, contract, fields)
    return PlaceOrder(order_id, contract, fields, frozenset(blocks))


def _read(reader: FieldReader, names: Sequence[str], into: dict[str, str]) -> None:
    for entry in names:
        name, _, kind = entry.partition(":")
        text = reader.text(name)
        if kind == "i":
            integer_of(name, text)
        elif kind == "n":
            number_of(name, text)
        elif kind == "f":
            flag_of(name, text)
        into[name] = text


def _read_legs(reader: FieldReader) -> None:
    for _ in range(reader.count("number of legs", ITEMS_MAX)):
        _read(reader, LEG, {})
    for _ in range(reader.count("number of leg prices", ITEMS_MAX)):
        reader.number("leg price")
    _read_pairs(reader, "smart combination parameters")


def _read_pairs(reader: FieldReader, name: str) -> None:
    for _ in range(reader.count(f"number of {name}", ITEMS_MAX)):
        reader.text(f"{name} tag")
        reader.text(f"{name} value")


def _read_conditions(reader: FieldReader, fields: dict[str, str]) -> str:
    """What its conditions are called; of one price alone the fields are kept. "" = it has none."""
    count = reader.count("number of conditions", ITEMS_MAX)
    kinds = set()
    for _ in range(count):
        kind = reader.integer("condition type")
        if kind not in CONDITION_FIELDS:
            raise FieldError("condition type", str(kind), f"Unknown condition type: {kind}")
        kinds.add(kind)
        if kind == PRICE and count == 1:
            _read(reader, PRICE_CONDITION, fields)
            continue
        for place in range(CONDITION_FIELDS[kind]):
            reader.text(f"condition field {place + 1}")
    if count:
        _read(reader, ["conditionsIgnoreRth:f", "conditionsCancelOrder:f"], fields)
    if not count:
        return ""
    return PRICE_CONDITIONED if (count, kinds) == (1, {PRICE}) else "conditions"


def _read_pegged_tail(reader: FieldReader, contract: WireContract, fields: dict[str, str]) -> None:
    if contract.exchange == "IBKRATS":
        _read(reader, ["minTradeQty:i"], fields)
    offsets = ["midOffsetAtWhole:n", "midOffsetAtHalf:n"]
    if fields["orderType"] in PEG_BEST:
        _read(reader, ["minCompeteSize:i", "competeAgainstBestOffset:n"], fields)
        if fields["competeAgainstBestOffset"] == "Infinite":
            _read(reader, offsets, fields)
    elif fields["orderType"] in PEG_MID:
        _read(reader, offsets, fields)
