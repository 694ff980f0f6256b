"""The venue's error codes, in one table: how to treat each, and what a person should do about it.

Owns the meaning of a code. An error alone never changes an order: a code that is not in the table means *ask* the
venue, because taking an informational one for a rejection has sent orders twice (ib_insync #502, ib_async #191).
Sources: IBKR's message codes page, and what was observed of ib_async 2.1 (see docs).
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Treatment(StrEnum):
    TERMINAL = "TERMINAL"
    """It answers a new order: the order will not work. The order's status decides; without one the venue is asked."""
    CANCELED = "CANCELED"
    """The venue confirms that the order is over."""
    MODIFY_FAILED = "MODIFY_FAILED"
    CANCEL_FAILED = "CANCEL_FAILED"
    INFORMATIONAL = "INFORMATIONAL"
    LINK_LOST = "LINK_LOST"
    """The gateway program has lost IBKR: nothing may be sent; fills may still arrive."""
    LINK_RESTORED_DATA_LOST = "LINK_RESTORED_DATA_LOST"
    LINK_RESTORED = "LINK_RESTORED"
    CONNECTIVITY = "CONNECTIVITY"
    """This socket can not be used: back off and connect again."""
    SUBSCRIPTION = "SUBSCRIPTION"
    """A subscription is dead or refused."""
    CONFIGURATION = "CONFIGURATION"
    """A person must change something; retrying alone will not help."""
    ASK = "ASK"
    """Not known: ask the venue what became of the order."""


class VenueProblem(Struct, frozen=True):
    treatment: Treatment
    advice: str = ""


_UNKNOWN = VenueProblem(Treatment.ASK)
_T = Treatment

_TABLE: dict[int, VenueProblem] = {
    100: VenueProblem(
        _T.CONNECTIVITY, "More than 50 messages a second were sent: another program may share this client id."
    ),
    101: VenueProblem(
        _T.SUBSCRIPTION,
        "All market data lines are taken: other programs of this user, or TWS's own windows, share them.",
    ),
    102: VenueProblem(_T.SUBSCRIPTION),
    103: VenueProblem(_T.ASK, "The order id was used before; the gateway continues with a higher one."),
    104: VenueProblem(_T.MODIFY_FAILED, "The order was already filled."),
    329: VenueProblem(_T.MODIFY_FAILED, "The order can not become one of that type."),
    105: VenueProblem(_T.MODIFY_FAILED, "The change does not match the original order."),
    106: VenueProblem(_T.TERMINAL, "The order could not be transmitted."),
    107: VenueProblem(_T.TERMINAL, "The order is incomplete."),
    109: VenueProblem(
        _T.TERMINAL, "The price is too far from the market: move it closer, or change TWS's precautions."
    ),
    110: VenueProblem(_T.TERMINAL, "The price does not fit the instrument's tick size: round it to the tick."),
    111: VenueProblem(_T.TERMINAL, "The time in force and the order type can not be combined."),
    113: VenueProblem(_T.TERMINAL, "The time in force must be DAY for a market-on-close order."),
    116: VenueProblem(_T.CONNECTIVITY, "The order could not reach IBKR's order server."),
    125: VenueProblem(_T.TERMINAL, "The order has no valid price."),
    135: VenueProblem(_T.CANCEL_FAILED, "The venue has no order of this id."),
    136: VenueProblem(_T.CANCEL_FAILED, "This order can not be cancelled."),
    161: VenueProblem(_T.CANCEL_FAILED, "The order is not in a state in which it can be cancelled."),
    162: VenueProblem(_T.SUBSCRIPTION, "History was refused: no data, or too many requests."),
    165: VenueProblem(_T.INFORMATIONAL),
    166: VenueProblem(_T.SUBSCRIPTION, "History of an expired contract is not available."),
    200: VenueProblem(
        _T.TERMINAL,
        "The venue knows no such contract: check symbol, exchange and currency in the desk file.",
    ),
    201: VenueProblem(_T.TERMINAL, "The venue rejected the order; its text says why (often funds or permissions)."),
    202: VenueProblem(_T.CANCELED),
    203: VenueProblem(
        _T.TERMINAL, "This account may not trade this instrument: check its trading permissions in Client Portal."
    ),
    300: VenueProblem(_T.INFORMATIONAL),  # it answers a cancel of a subscription that is over
    309: VenueProblem(_T.SUBSCRIPTION, "The limit of market depth requests is reached."),
    317: VenueProblem(_T.INFORMATIONAL),
    320: VenueProblem(_T.TERMINAL, "The venue could not read the request."),
    321: VenueProblem(
        _T.TERMINAL,
        "The venue refused the request as invalid.",
    ),
    322: VenueProblem(_T.SUBSCRIPTION, "The request can not be processed."),
    326: VenueProblem(
        _T.CONNECTIVITY,
        "Another program uses this client id: stop it, or set SIGNALBOX_IBKR_ORDERS_CLIENT_ID or "
        "SIGNALBOX_IBKR_DATA_CLIENT_ID to a free one.",
    ),
    334: VenueProblem(_T.TERMINAL, "The good-till date is over, or none that the venue accepts."),
    336: VenueProblem(_T.TERMINAL, "The venue could not read a time of the order."),
    337: VenueProblem(_T.TERMINAL, "The venue could not read the order's good-till date."),
    354: VenueProblem(
        _T.CONFIGURATION,
        "The account has no market data subscription for this: subscribe in Client Portal, or set market_data_type = "
        '"DELAYED" for the venue in the desk file.',
    ),
    366: VenueProblem(_T.SUBSCRIPTION, "The history request is not known any more."),
    387: VenueProblem(_T.TERMINAL, "This order type is not supported for this instrument and exchange."),
    388: VenueProblem(_T.TERMINAL, "The size is below the venue's minimum."),
    391: VenueProblem(_T.TERMINAL, "The good-till date is not one the venue accepts."),
    399: VenueProblem(_T.INFORMATIONAL),
    404: VenueProblem(_T.INFORMATIONAL, "The shares must first be located for the short sale; the order is held."),
    420: VenueProblem(
        _T.CONFIGURATION,
        "No permission for real-time data of this instrument: subscribe in Client Portal, or use delayed data.",
    ),
    435: VenueProblem(_T.TERMINAL, "The venue wants an account for this order: check the account in the desk file."),
    434: VenueProblem(_T.TERMINAL, "The order's size is not one the venue accepts."),
    436: VenueProblem(_T.TERMINAL, "The venue wants an account for this order: check the account in the desk file."),
    460: VenueProblem(_T.TERMINAL, "This account may not trade here."),
    461: VenueProblem(_T.TERMINAL, "This order can not be combined in this way."),
    463: VenueProblem(_T.TERMINAL, "A stop order needs its stop price."),
    481: VenueProblem(_T.INFORMATIONAL, "The order's size was reduced."),
    492: VenueProblem(_T.INFORMATIONAL),
    501: VenueProblem(_T.INFORMATIONAL),
    502: VenueProblem(
        _T.CONNECTIVITY,
        "TWS or IB Gateway can not be reached: start it, tick 'Enable ActiveX and Socket Clients' in its API settings, "
        "and let SIGNALBOX_IBKR_PORT be the port shown there.",
    ),
    503: VenueProblem(_T.CONFIGURATION, "TWS or IB Gateway is too old: install the current version."),
    504: VenueProblem(_T.CONNECTIVITY, "Not connected to TWS or IB Gateway."),
    506: VenueProblem(_T.CONNECTIVITY, "The socket speaks another protocol: is SIGNALBOX_IBKR_PORT the API port?"),
    507: VenueProblem(
        _T.CONNECTIVITY,
        "The socket broke: usually the client id is in use by another program, or the gateway restarted.",
    ),
    1100: VenueProblem(_T.LINK_LOST, "TWS has lost IBKR. Working orders go on there; it reconnects by itself."),
    1101: VenueProblem(_T.LINK_RESTORED_DATA_LOST),
    1102: VenueProblem(_T.LINK_RESTORED),
    1300: VenueProblem(_T.CONNECTIVITY, "TWS changed its API port: set SIGNALBOX_IBKR_PORT to the new one."),
    2100: VenueProblem(_T.SUBSCRIPTION, "The account subscription was ended by another request."),
    2101: VenueProblem(_T.SUBSCRIPTION),
    2102: VenueProblem(_T.MODIFY_FAILED, "The order is still being processed."),
    2103: VenueProblem(_T.INFORMATIONAL, "A market data farm is down: its quotes stand still until it is back."),
    2104: VenueProblem(_T.INFORMATIONAL),
    2105: VenueProblem(_T.INFORMATIONAL, "A history farm is down: gaps are filled when it is back."),
    2106: VenueProblem(_T.INFORMATIONAL),
    2107: VenueProblem(_T.INFORMATIONAL),
    2108: VenueProblem(_T.INFORMATIONAL),
    2109: VenueProblem(_T.INFORMATIONAL, "'Outside regular hours' does not apply to this order and is ignored."),
    2110: VenueProblem(_T.LINK_LOST, "TWS has lost IBKR. It reconnects by itself; check its internet connection."),
    2119: VenueProblem(_T.INFORMATIONAL),
    2137: VenueProblem(_T.INFORMATIONAL),
    2158: VenueProblem(_T.INFORMATIONAL),
    2168: VenueProblem(_T.INFORMATIONAL),
    2169: VenueProblem(_T.INFORMATIONAL),
    2176: VenueProblem(_T.INFORMATIONAL),
    10089: VenueProblem(_T.CONFIGURATION, "Real-time data needs a subscription; delayed data is available."),
    10189: VenueProblem(_T.CONFIGURATION, "No permission for this market data: subscribe in Client Portal."),
    10090: VenueProblem(_T.INFORMATIONAL),
    10052: VenueProblem(_T.TERMINAL, "The venue does not take this time in force here."),
    10147: VenueProblem(_T.CANCEL_FAILED, "The order to cancel was not found."),
    10148: VenueProblem(_T.CANCEL_FAILED, "The order can not be cancelled in its state."),
    10167: VenueProblem(_T.INFORMATIONAL, "No real-time subscription: delayed data is shown."),
    10168: VenueProblem(_T.CONFIGURATION, "No market data subscription, and delayed data is switched off."),
    10182: VenueProblem(_T.SUBSCRIPTION, "The live update request failed: the connection to the data farm broke."),
    10186: VenueProblem(_T.CONFIGURATION, "No market data subscription, and delayed data is switched off."),
    10187: VenueProblem(_T.SUBSCRIPTION),
    10243: VenueProblem(_T.TERMINAL, "Fractions of shares can not be ordered over the API: use whole shares."),
    10197: VenueProblem(
        _T.SUBSCRIPTION, "Another session of this user takes the market data: log out there, or use another user."
    ),
    10225: VenueProblem(_T.SUBSCRIPTION, "A trade was annulled: the bars are subscribed anew."),
    10268: VenueProblem(_T.TERMINAL, "Update the gateway: it sets an attribute of orders that the venue has given up."),
    10269: VenueProblem(_T.TERMINAL, "Update the gateway: it sets an attribute of orders that the venue has given up."),
    10270: VenueProblem(_T.TERMINAL, "Update the gateway: it sets an attribute of orders that the venue has given up."),
    10311: VenueProblem(
        _T.TERMINAL,
        "TWS does not send it without somebody who confirms: in its API settings, Precautions, tick 'Bypass Redirect "
        "Order Warning for Stock API Orders', or let the desk file route the symbol over SMART.",
    ),
    10326: VenueProblem(
        _T.MODIFY_FAILED, "The change names another OCA group than the venue knows: see docs/venues.md."
    ),
    10327: VenueProblem(_T.MODIFY_FAILED, "The change names another type of its OCA group: see docs/venues.md."),
    10349: VenueProblem(_T.INFORMATIONAL, "The time in force was changed by the order preset; the order lives."),
}


def problem_of(code: int, text: str = "") -> VenueProblem:
    """What `code` means; the text settles the codes that mean two things. An unknown code is ASK.

    Codes 2100-2199 that are not in the table are the venue's warnings: informational.
    """
    if is_read_only(code, text):
        return VenueProblem(Treatment.TERMINAL, READ_ONLY)
    if is_pacing(code, text):
        return VenueProblem(Treatment.SUBSCRIPTION, "Too much was asked for at once; the gateway waits and asks again.")
    if code not in _TABLE and 2100 <= code < 2200:
        return VenueProblem(Treatment.INFORMATIONAL)
    return _TABLE.get(code, _UNKNOWN)


READ_ONLY = (
    "Read-Only API is on: nothing about orders can be sent or asked. Untick it in TWS's Global Configuration, API, "
    "Settings (IB Gateway: Configure, Settings, API, Settings); the gateway connects again by itself."
)


def is_read_only(code: int, text: str) -> bool:
    """Say whether a request was refused only because TWS lets no API client do anything about orders."""
    return code == 321 and "read-only" in text.lower()


def is_pacing(code: int, text: str) -> bool:
    """Say whether history (162) or five-second bars (420) were refused only because of too many requests."""
    return code in (162, 420) and "pacing" in text.lower()


def is_no_data(code: int, text: str) -> bool:
    """Say whether a history error means that there were no trades (and not that the request failed)."""
    return code == 162 and "no data" in text.lower()


class HistoryVerdict(StrEnum):
    """What an error says of the bars that were asked for. The values are those of `signalbox_venue_gaps_total`."""

    EMPTY = "no_data"
    """There are none."""
    PACED = "paced"
    """It was asked too much."""
    REFUSED = "refused"
    """The venue will not tell this account, whenever it is asked."""
    PASSING = "failed"
    """Nothing is known of them: the farm is away, another session has the data, the request was lost."""


_REFUSED_HISTORY = frozenset({166, 200, 203, 320, 321, 354, 420, 430, 10089, 10090, 10168, 10186, 10189, 10314})
_REFUSED_WORDS = ("no market data permissions", "not subscribed", "time length exceed", "invalid", "starting time must")


def history_verdict(code: int, text: str) -> HistoryVerdict:
    """Tell the errors of a request for history apart. One that is not known says nothing, and passes.

    162 is IBKR's code for all of it; "different IP address" is its way to say that another session has the data.
    """
    if is_no_data(code, text):
        return HistoryVerdict.EMPTY
    if is_pacing(code, text) or code == 100:
        return HistoryVerdict.PACED
    refused = code in _REFUSED_HISTORY or (code == 162 and any(word in text.lower() for word in _REFUSED_WORDS))
    return HistoryVerdict.REFUSED if refused else HistoryVerdict.PASSING


def history_sentence(code: int, text: str) -> str:
    """The venue's text on history, with what to do about it."""
    if code != 162:
        return sentence(code, text)
    words = text.lower()
    if "permissions" in words or "not subscribed" in words:
        advice = "History needs the same market data subscription as live bars: subscribe in Client Portal."
    elif "different ip" in words:
        advice = "Another session of this user takes the data: log out there, or use another user."
    elif "pacing" in words:
        advice = "Too much was asked for at once; the gateway waits and asks again."
    elif "time length" in words:
        advice = "The request is the gateway's mistake: please report it."
    else:
        advice = "The gateway asks again until IBKR's history farm answers."
    return f"{text} ({code}). {advice}"


def sentence(code: int, text: str, *, with_code: bool = True) -> str:
    """The venue's text with what to do about it."""
    advice, number = problem_of(code, text).advice, f" ({code})" if with_code else ""
    return f"{text}{number}. {advice}".strip() if advice else f"{text}{number}"


def connect_advice(error: BaseException, host: str, port: int) -> str:
    """What to do when no API session comes about at `host`:`port`."""
    place = f"{host}:{port}"
    if isinstance(error, ConnectionRefusedError):
        return (
            f"nothing listens at {place}: start TWS or IB Gateway, tick 'Enable ActiveX and Socket Clients' in its API "
            "settings, and set SIGNALBOX_IBKR_PORT to its port (IB Gateway: 4002 paper, 4001 live; TWS: 7497 paper, "
            "7496 live)"
        )
    if isinstance(error, TimeoutError):
        return (
            f"{place} does not answer as TWS would: log in to TWS, close its open dialogs, and accept the incoming "
            "connection (or list this machine under Trusted IPs)"
        )
    if isinstance(error, OSError):
        return f"{place} can not be reached ({error}): check SIGNALBOX_IBKR_HOST and the network"
    return (
        f"{place} ended the connection before the session began: the API is off, this machine is not among the Trusted "
        "IPs, the client id is in use, or another program listens on that port"
    )
