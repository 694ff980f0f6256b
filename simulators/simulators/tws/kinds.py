"""The numbers of all messages at server version 178, both ways, and the requests that this gateway declines.

Owns names and numbers. It must not know what a message holds.
"""

from __future__ import annotations

from enum import IntEnum


class Inbound(IntEnum):
    """What a client may send."""

    REQ_MKT_DATA = 1
    CANCEL_MKT_DATA = 2
    PLACE_ORDER = 3
    CANCEL_ORDER = 4
    REQ_OPEN_ORDERS = 5
    REQ_ACCOUNT_UPDATES = 6
    REQ_EXECUTIONS = 7
    REQ_IDS = 8
    REQ_CONTRACT_DETAILS = 9
    REQ_MKT_DEPTH = 10
    CANCEL_MKT_DEPTH = 11
    REQ_NEWS_BULLETINS = 12
    CANCEL_NEWS_BULLETINS = 13
    SET_SERVER_LOG_LEVEL = 14
    REQ_AUTO_OPEN_ORDERS = 15
    REQ_ALL_OPEN_ORDERS = 16
    REQ_MANAGED_ACCOUNTS = 17
    REQ_FA = 18
    REPLACE_FA = 19
    REQ_HISTORICAL_DATA = 20
    EXERCISE_OPTIONS = 21
    REQ_SCANNER_SUBSCRIPTION = 22
    CANCEL_SCANNER_SUBSCRIPTION = 23
    REQ_SCANNER_PARAMETERS = 24
    CANCEL_HISTORICAL_DATA = 25
    REQ_CURRENT_TIME = 49
    REQ_REAL_TIME_BARS = 50
    CANCEL_REAL_TIME_BARS = 51
    REQ_FUNDAMENTAL_DATA = 52
    CANCEL_FUNDAMENTAL_DATA = 53
    CALC_IMPLIED_VOLATILITY = 54
    CALC_OPTION_PRICE = 55
    CANCEL_CALC_IMPLIED_VOLATILITY = 56
    CANCEL_CALC_OPTION_PRICE = 57
    GLOBAL_CANCEL = 58
    REQ_MARKET_DATA_TYPE = 59
    REQ_POSITIONS = 61
    REQ_ACCOUNT_SUMMARY = 62
    CANCEL_ACCOUNT_SUMMARY = 63
    CANCEL_POSITIONS = 64
    VERIFY_REQUEST = 65
    VERIFY_MESSAGE = 66
    QUERY_DISPLAY_GROUPS = 67
    SUBSCRIBE_TO_GROUP_EVENTS = 68
    UPDATE_DISPLAY_GROUP = 69
    UNSUBSCRIBE_FROM_GROUP_EVENTS = 70
    START_API = 71
    VERIFY_AND_AUTH_REQUEST = 72
    VERIFY_AND_AUTH_MESSAGE = 73
    REQ_POSITIONS_MULTI = 74
    CANCEL_POSITIONS_MULTI = 75
    REQ_ACCOUNT_UPDATES_MULTI = 76
    CANCEL_ACCOUNT_UPDATES_MULTI = 77
    REQ_SEC_DEF_OPT_PARAMS = 78
    REQ_SOFT_DOLLAR_TIERS = 79
    REQ_FAMILY_CODES = 80
    REQ_MATCHING_SYMBOLS = 81
    REQ_MKT_DEPTH_EXCHANGES = 82
    REQ_SMART_COMPONENTS = 83
    REQ_NEWS_ARTICLE = 84
    REQ_NEWS_PROVIDERS = 85
    REQ_HISTORICAL_NEWS = 86
    REQ_HEAD_TIMESTAMP = 87
    REQ_HISTOGRAM_DATA = 88
    CANCEL_HISTOGRAM_DATA = 89
    CANCEL_HEAD_TIMESTAMP = 90
    REQ_MARKET_RULE = 91
    REQ_PNL = 92
    CANCEL_PNL = 93
    REQ_PNL_SINGLE = 94
    CANCEL_PNL_SINGLE = 95
    REQ_HISTORICAL_TICKS = 96
    REQ_TICK_BY_TICK = 97
    CANCEL_TICK_BY_TICK = 98
    REQ_COMPLETED_ORDERS = 99
    REQ_WSH_META_DATA = 100
    CANCEL_WSH_META_DATA = 101
    REQ_WSH_EVENT_DATA = 102
    CANCEL_WSH_EVENT_DATA = 103
    REQ_USER_INFO = 104


class Outbound(IntEnum):
    """What this gateway may send. The control port takes these names in camel case (`orderStatus`) or the number."""

    TICK_PRICE = 1
    TICK_SIZE = 2
    ORDER_STATUS = 3
    ERROR = 4
    OPEN_ORDER = 5
    ACCOUNT_VALUE = 6
    PORTFOLIO_VALUE = 7
    ACCOUNT_UPDATE_TIME = 8
    NEXT_VALID_ID = 9
    CONTRACT_DETAILS = 10
    EXEC_DETAILS = 11
    MANAGED_ACCOUNTS = 15
    RECEIVE_FA = 16
    HISTORICAL_DATA = 17
    TICK_OPTION_COMPUTATION = 21
    TICK_GENERIC = 45
    TICK_STRING = 46
    CURRENT_TIME = 49
    REAL_TIME_BAR = 50
    CONTRACT_DETAILS_END = 52
    OPEN_ORDER_END = 53
    ACCOUNT_DOWNLOAD_END = 54
    EXEC_DETAILS_END = 55
    TICK_SNAPSHOT_END = 57
    MARKET_DATA_TYPE = 58
    COMMISSION_REPORT = 59
    POSITION = 61
    POSITION_END = 62
    ACCOUNT_SUMMARY = 63
    ACCOUNT_SUMMARY_END = 64
    POSITION_MULTI = 71
    POSITION_MULTI_END = 72
    ACCOUNT_UPDATE_MULTI = 73
    ACCOUNT_UPDATE_MULTI_END = 74
    SEC_DEF_OPT_PARAMS = 75
    SEC_DEF_OPT_PARAMS_END = 76
    SOFT_DOLLAR_TIERS = 77
    FAMILY_CODES = 78
    SYMBOL_SAMPLES = 79
    MKT_DEPTH_EXCHANGES = 80
    TICK_REQ_PARAMS = 81
    SMART_COMPONENTS = 82
    NEWS_PROVIDERS = 85
    HEAD_TIMESTAMP = 88
    HISTORICAL_DATA_UPDATE = 90
    MARKET_RULE = 93
    PNL = 94
    PNL_SINGLE = 95
    ORDER_BOUND = 100
    COMPLETED_ORDER = 101
    COMPLETED_ORDERS_END = 102
    HISTORICAL_SCHEDULE = 106
    USER_INFO = 107


def outbound_named(text: str) -> Outbound:
    """The kind that `orderStatus`, `ORDER_STATUS` or `3` means. Raises KeyError."""
    if text.isdigit() and int(text) in list(Outbound):
        return Outbound(int(text))
    wanted = text.replace("_", "").lower()
    for kind in Outbound:
        if kind.name.replace("_", "").lower() == wanted:
            return kind
    raise KeyError(text)


DECLINED: dict[Inbound, tuple[int, str]] = {
    Inbound.REQ_MKT_DEPTH: (10092, "Deep market data is not supported for this combination of security type/exchange"),
    Inbound.EXERCISE_OPTIONS: (321, "the gateway is simulated and exercises by its control port"),
    Inbound.REQ_SCANNER_SUBSCRIPTION: (162, "the gateway is simulated and has no market scanner"),
    Inbound.REQ_FUNDAMENTAL_DATA: (10358, "Fundamentals data is not allowed"),
    Inbound.CALC_IMPLIED_VOLATILITY: (321, "the gateway is simulated and has no option calculator"),
    Inbound.CALC_OPTION_PRICE: (321, "the gateway is simulated and has no option calculator"),
    Inbound.QUERY_DISPLAY_GROUPS: (321, "the gateway has no display groups"),
    Inbound.SUBSCRIBE_TO_GROUP_EVENTS: (321, "the gateway has no display groups"),
    Inbound.UPDATE_DISPLAY_GROUP: (321, "the gateway has no display groups"),
    Inbound.REQ_NEWS_ARTICLE: (10172, "Failed to request news article: no news provider is subscribed"),
    Inbound.REQ_HISTORICAL_NEWS: (321, "no news provider is subscribed"),
    Inbound.REQ_HISTOGRAM_DATA: (162, "the gateway is simulated and has no histograms"),
    Inbound.REQ_HISTORICAL_TICKS: (162, "the gateway is simulated and has no historical ticks"),
    Inbound.REQ_TICK_BY_TICK: (10189, "Failed to request tick-by-tick data: the gateway is simulated and has none"),
    Inbound.REQ_WSH_META_DATA: (10276, "News feed is not allowed."),
    Inbound.REQ_WSH_EVENT_DATA: (10276, "News feed is not allowed."),
    Inbound.REPLACE_FA: (321, "FA data operations ignored for non FA customers."),
    Inbound.REQ_SCANNER_PARAMETERS: (321, "the gateway is simulated and has no market scanner"),
    Inbound.VERIFY_REQUEST: (321, "verification is for third-party developers only"),
    Inbound.VERIFY_MESSAGE: (321, "verification is for third-party developers only"),
    Inbound.VERIFY_AND_AUTH_REQUEST: (321, "verification is for third-party developers only"),
    Inbound.VERIFY_AND_AUTH_MESSAGE: (321, "verification is for third-party developers only"),
}
"""Requests for what a simulated gateway does not have: refused, in TWS's words where it has some, never left open."""

SILENT = frozenset(
    {
        Inbound.CANCEL_MKT_DEPTH,
        Inbound.REQ_NEWS_BULLETINS,
        Inbound.CANCEL_NEWS_BULLETINS,
        Inbound.SET_SERVER_LOG_LEVEL,
        Inbound.CANCEL_SCANNER_SUBSCRIPTION,
        Inbound.CANCEL_FUNDAMENTAL_DATA,
        Inbound.CANCEL_CALC_IMPLIED_VOLATILITY,
        Inbound.CANCEL_CALC_OPTION_PRICE,
        Inbound.UNSUBSCRIBE_FROM_GROUP_EVENTS,
        Inbound.CANCEL_HISTOGRAM_DATA,
        Inbound.CANCEL_HEAD_TIMESTAMP,
        Inbound.CANCEL_TICK_BY_TICK,
        Inbound.CANCEL_WSH_META_DATA,
        Inbound.CANCEL_WSH_EVENT_DATA,
    }
)
"""Requests that TWS answers with nothing (or with news bulletins, of which a simulated gateway has none)."""
