"""The market: what gateways say of it, and what the indicators make of it."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field

from signalbox.messages.words import (
    NEVER,
    BarSource,
    InstrumentKind,
    MarketDataType,
    MarketState,
    Message,
    ScoreState,
    Utc,
)


class Greeks(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the venue computes of an option, by one unit of its underlying; `None` = not computed.

    `theta` is a day's, `vega` that of one point of volatility. All but the volatilities of the bid, the ask and the
    last price are the venue's model's.
    """

    price: float | None = None
    implied_volatility: float | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    underlying_price: float | None = None
    bid_volatility: float | None = None
    ask_volatility: float | None = None
    last_volatility: float | None = None


class Quote(Message, frozen=True, kw_only=True):
    """Top of book and last trade. `None` = the venue has not said. `at` is the venue's time.

    `oracle_price` is what a perpetual's margin, funding and stops go by. `greeks` are an option's, as last computed:
    they say nothing of how old its prices are.
    """

    venue: str
    symbol: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    last: Decimal | None = None
    last_size: Decimal | None = None
    oracle_price: Decimal | None = None
    market_data_type: MarketDataType = MarketDataType.LIVE
    received_at: Utc = NEVER
    greeks: Greeks | None = None


class Bar(Message, frozen=True, kw_only=True):
    """One closed bar, never revised. `start` is its first instant, `at` its end (both venue time)."""

    venue: str
    symbol: str
    timeframe: str
    start: Utc
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int = 0
    source: BarSource = BarSource.LIVE
    received_at: Utc = NEVER


class PriceStep(Struct, frozen=True, kw_only=True):
    """Prices from `at_least` on are whole numbers of `step`, up to where the next one begins."""

    at_least: Decimal
    step: Decimal


class Instrument(Message, frozen=True, kw_only=True):
    """What a venue says of a symbol: the facts that orders are checked against.

    The margins are fractions of a position's value; `None` = the venue does not state them. `price_steps`, rising, are
    of what has more than one tick size; `tick_size` is the smallest of them then. `last_trade_at` is when a contract
    that ends can be traded no more, `underlying` the symbol that an option is on. `short_margin` is what one contract
    more, sold short, binds of the account's funds, in the account's currency; `None` = the venue has not said.
    `base_currency` is what the quantity of a currency pair is in.
    """

    venue: str
    symbol: str
    kind: InstrumentKind
    currency: str
    exchange: str
    calendar: str
    tick_size: Decimal
    lot_size: Decimal
    minimum_quantity: Decimal
    multiplier: Decimal = Decimal(1)
    venue_id: str = ""
    name: str = ""
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    market_state: MarketState = MarketState.OPEN
    is_isolated: bool = False
    """A sub-account that holds it may hold nothing else."""
    price_steps: tuple[PriceStep, ...] = ()
    last_trade_at: Utc | None = None
    underlying: str = ""
    short_margin: Decimal | None = None
    base_currency: str = ""


class FundingRate(Message, frozen=True, kw_only=True):
    """What a perpetual pays at the next hour: longs pay `rate` of the position's value to shorts (below 0: receive)."""

    venue: str
    symbol: str
    rate: Decimal
    oracle_price: Decimal | None = None
    received_at: Utc = NEVER


class DayLevels(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The levels of a trading day at the close of one bar, by the session of the symbol's calendar; `None` = nothing.

    Of regular hours: `open`, `high`, `low` of the day so far, the range of its first minutes (which are over, and were
    seen from the open on, once it is complete), and `vwap` since the open. `previous_...` are those of the session
    before, which was seen from open to close if it is complete. `day` and `previous_day` are the exchange's dates.
    """

    day: str = ""
    open: float | None = None
    high: float | None = None
    low: float | None = None
    opening_range_high: float | None = None
    opening_range_low: float | None = None
    opening_range_complete: bool = False
    previous_day: str = ""
    previous_high: float | None = None
    previous_low: float | None = None
    previous_close: float | None = None
    previous_complete: bool = False
    pre_market_high: float | None = None
    pre_market_low: float | None = None
    vwap: float | None = None


class Levels(Message, frozen=True, kw_only=True):
    """The levels of a trading day at the close of one bar (N6), for who wants nothing else of its score."""

    venue: str
    symbol: str
    timeframe: str
    bar_start: Utc
    levels: DayLevels


class Score(Message, frozen=True, kw_only=True):
    """Indicators and scores at the close of one bar; `None` until enough bars have been seen.

    `direction` is +1 long, -1 short (0 before the first ATR); `trend_score` counts consecutive bars in that
    direction (N3); `ema_deviation` = (close - EMA) / ATR (N4); `new_high_score` (N5). `studies` are what the desk file
    asks for beside these, by name (docs/indicators.md); `None` = not defined. `levels` are those of its trading day,
    where the desk file asks for them.
    """

    venue: str
    symbol: str
    timeframe: str
    bar_start: Utc
    close: float
    supertrend: float | None
    direction: int
    ema: float | None
    atr: float | None
    trend_score: int
    ema_deviation: float | None
    new_high_score: int
    studies: dict[str, float | None] = field(default_factory=dict)
    levels: DayLevels | None = None
    state: ScoreState = ScoreState.UNSTATED
    why: str = ""
    """Of a state that is not LIVE: a sentence."""
