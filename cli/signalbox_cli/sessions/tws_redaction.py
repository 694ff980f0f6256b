"""Which fields of a TWS message go into a recorded session, and under which names. Pure but for the pseudonyms.

Owns what is kept: kinds that a gateway needs, by a list; of orders only numbers, times and the venue's own words; of
account figures those that are numbers. Everything else is withheld or has another name: what nobody has thought of is
not in the file. Message layouts: ib_async's decoder and client at server version 178.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from simulators.tws.kinds import Inbound, Outbound

from signalbox_cli.sessions.pseudonyms import Pseudonyms

Fields = tuple[str, ...]

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|")
_ZONE = r"[A-Z]{3,4}|(US|Europe|America|Asia|Australia|Africa|Pacific|Atlantic|Etc)/[A-Za-z_]{2,20}"
TIME = re.compile(rf"\d{{8}}([ -]+\d\d:\d\d:\d\d(\.\d+)?( ({_ZONE}))?)?|\d\d:\d\d(:\d\d)?")
_EXECUTION = re.compile(r"[0-9a-f]{1,16}(\.[0-9a-f]{1,16}){1,5}")

_VOCABULARY = """
sides and types         BUY SELL SSHORT BOT SLD MKT LMT STP MOC LOC MIT LIT TRAIL REL MTL MIDPRICE VWAP SNAP PEG BOX
how long, from where    DAY GTC GTD IOC OPG FOK DTC AUC O C
states                  ApiPending PendingSubmit PendingCancel PreSubmitted Submitted ApiCancelled Cancelled Filled
                        Inactive Unknown
places                  SMART ISLAND ARCA NYSE NASDAQ AMEX BATS BYX BEX EDGEA EDGX IEX MEMX DRCTEDGE PEARL LTSE PSX CHX
                        NYSENAT IBKRATS IDEALPRO CME CBOE CBOT NYMEX COMEX GLOBEX IBIS LSE SEHK TSE TSEJ VENTURE PAXOS
in every order          None IB true false N Y ? locate
kinds of accounts       INDIVIDUAL JOINT TRUST CORPORATION IRA
currencies              BASE USD EUR GBP CHF CAD AUD NZD JPY HKD CNH SGD KRW INR SEK NOK DKK PLN CZK HUF ILS MXN ZAR
"""
_WORDS = frozenset(word for line in _VOCABULARY.splitlines() for word in line[24:].split())
"""Words of the venue that may stand in an order or an account: any other word is somebody's."""
_TERMS = re.compile(r"(STP|TRAIL|REL|PEG|MKT|LMT)( [A-Z]{2,8}){1,2}")

_PLAIN_OUT = frozenset(
    {
        Outbound.TICK_PRICE, Outbound.TICK_SIZE, Outbound.TICK_GENERIC, Outbound.TICK_STRING, Outbound.ORDER_STATUS,
        Outbound.ACCOUNT_UPDATE_TIME, Outbound.NEXT_VALID_ID, Outbound.CONTRACT_DETAILS, Outbound.HISTORICAL_DATA,
        Outbound.CURRENT_TIME, Outbound.REAL_TIME_BAR, Outbound.CONTRACT_DETAILS_END, Outbound.OPEN_ORDER_END,
        Outbound.EXEC_DETAILS_END, Outbound.TICK_SNAPSHOT_END, Outbound.MARKET_DATA_TYPE, Outbound.COMMISSION_REPORT,
        Outbound.POSITION_END, Outbound.ACCOUNT_SUMMARY_END, Outbound.TICK_REQ_PARAMS, Outbound.PNL,
        Outbound.COMPLETED_ORDERS_END, Outbound.HISTORICAL_DATA_UPDATE, Outbound.PNL_SINGLE,
        Outbound.ACCOUNT_UPDATE_MULTI_END,
    }
)  # fmt: skip
"""Messages without a field that a person has chosen: what looks like a secret is hidden in them all the same."""

_ORDERS_OUT = {Outbound.OPEN_ORDER: 2, Outbound.EXEC_DETAILS: 3, Outbound.COMPLETED_ORDER: 1}
"""Messages about orders, and where their contract begins: its eleven fields are the market's."""

_PLAIN_IN = frozenset(
    {
        Inbound.REQ_MKT_DATA, Inbound.CANCEL_MKT_DATA, Inbound.CANCEL_ORDER, Inbound.REQ_OPEN_ORDERS, Inbound.REQ_IDS,
        Inbound.REQ_CONTRACT_DETAILS, Inbound.REQ_AUTO_OPEN_ORDERS, Inbound.REQ_ALL_OPEN_ORDERS,
        Inbound.REQ_MANAGED_ACCOUNTS, Inbound.REQ_HISTORICAL_DATA, Inbound.CANCEL_HISTORICAL_DATA,
        Inbound.REQ_CURRENT_TIME, Inbound.REQ_REAL_TIME_BARS, Inbound.CANCEL_REAL_TIME_BARS, Inbound.GLOBAL_CANCEL,
        Inbound.REQ_MARKET_DATA_TYPE, Inbound.REQ_POSITIONS, Inbound.REQ_ACCOUNT_SUMMARY,
        Inbound.CANCEL_ACCOUNT_SUMMARY, Inbound.CANCEL_POSITIONS, Inbound.CANCEL_PNL, Inbound.REQ_COMPLETED_ORDERS,
        Inbound.CANCEL_ACCOUNT_UPDATES_MULTI,
    }
)  # fmt: skip

_ACCOUNT_OUT = {
    Outbound.ACCOUNT_DOWNLOAD_END: 2, Outbound.POSITION: 2, Outbound.ACCOUNT_SUMMARY: 3, Outbound.ACCOUNT_VALUE: 5,
    Outbound.ACCOUNT_UPDATE_MULTI: 3, Outbound.EXEC_DETAILS: 16, Outbound.OPEN_ORDER: 20,
    Outbound.COMPLETED_ORDER: 19, Outbound.PORTFOLIO_VALUE: 19,
}  # fmt: skip
_ACCOUNT_IN = {
    Inbound.REQ_ACCOUNT_UPDATES: 3, Inbound.REQ_EXECUTIONS: 4, Inbound.REQ_PNL: 2, Inbound.PLACE_ORDER: 23,
    Inbound.REQ_ACCOUNT_UPDATES_MULTI: 3,
}  # fmt: skip
"""Where a message names an account; `ALL` and nothing are none."""

REFERENCE_IN = 26
"""Where a placed order has its orderRef."""
_REFERENCES = {Outbound.OPEN_ORDER: 23, Outbound.EXEC_DETAILS: 26, Outbound.COMPLETED_ORDER: 22}
_EXECUTION_ID = 14
_COMPLETED_STATUS = -6
_START_CLIENT = 2
_PLACE_CONTRACT = 2


class TwsRedaction:
    """Hides what a message tells of people."""

    def __init__(self, names: Pseudonyms) -> None:
        self.names = names

    def from_venue(self, fields: Sequence[str]) -> Fields | None:
        """What is kept of a message of the venue; None = nothing."""
        kind = _kind(fields, Outbound)
        if kind is None:
            return None
        self._learn(kind, fields, _ACCOUNT_OUT)
        if kind is Outbound.MANAGED_ACCOUNTS:
            accounts = [part.strip() for part in ",".join(fields[2:]).split(",") if part.strip()]
            return (*fields[:1], "1", ",".join(self.names.account(account) for account in accounts))
        if kind is Outbound.ERROR:
            return self._error(fields)
        if kind in _PLAIN_OUT:
            return self._plain(fields)
        if kind in _ORDERS_OUT:
            return self._told_order(Outbound(kind), fields)
        if kind is Outbound.PORTFOLIO_VALUE:
            return self._order(fields, 2, 11)
        if kind is Outbound.POSITION:
            return self._order(fields, 3, 11)
        if kind in (Outbound.ACCOUNT_VALUE, Outbound.ACCOUNT_SUMMARY, Outbound.ACCOUNT_UPDATE_MULTI):
            return self._figure(fields, {Outbound.ACCOUNT_VALUE: 2, Outbound.ACCOUNT_SUMMARY: 4}.get(Outbound(kind), 5))
        if kind is Outbound.ACCOUNT_DOWNLOAD_END:
            return self._order(fields, 0, 1)
        return None

    def from_gateway(self, fields: Sequence[str]) -> Fields | None:
        """What is kept of a message of the gateway; None = nothing."""
        kind = _kind(fields, Inbound)
        if kind is None:
            return None
        self._learn(kind, fields, _ACCOUNT_IN)
        if kind is Inbound.START_API:
            return tuple(field if NUMBER.fullmatch(field) else "" for field in fields[: _START_CLIENT + 1])
        if kind in _PLAIN_IN:
            return self._plain(fields)
        if kind is Inbound.PLACE_ORDER:
            return self._with_reference(self._order(fields, _PLACE_CONTRACT, 12), fields, REFERENCE_IN)
        if kind in _ACCOUNT_IN:
            return self._order(fields, 0, 1)
        return None

    def _learn(self, kind: int, fields: Sequence[str], places: dict[Outbound, int] | dict[Inbound, int]) -> None:
        place = places.get(kind)  # type: ignore[call-overload]
        account = fields[place].strip() if place is not None and place < len(fields) else ""
        if account and account.upper() != "ALL" and not NUMBER.fullmatch(account):
            self.names.account(account)

    def _plain(self, fields: Sequence[str]) -> Fields:
        return tuple(self.names.hidden(field) for field in fields)

    def _error(self, fields: Sequence[str]) -> Fields:
        """The sentence is kept, with names for the secrets in it; what is attached for TWS's own window is not."""
        text = self._sentence(fields[4]) if len(fields) > 4 else ""
        return (*(self._own(field) for field in fields[:4]), text, "")

    def _sentence(self, text: str) -> str:
        return self.names.hidden(text) if NUMBER.fullmatch(text) else self.names.sentence(text)

    def _told_order(self, kind: Outbound, fields: Sequence[str]) -> Fields:
        kept = list(self._with_reference(self._order(fields, _ORDERS_OUT[kind], 11), fields, _REFERENCES[kind]))
        if (
            kind is Outbound.EXEC_DETAILS
            and len(fields) > _EXECUTION_ID
            and _EXECUTION.fullmatch(fields[_EXECUTION_ID])
        ):
            kept[_EXECUTION_ID] = fields[_EXECUTION_ID]
        if kind is Outbound.COMPLETED_ORDER and len(fields) > -_COMPLETED_STATUS:
            kept[_COMPLETED_STATUS] = self._sentence(fields[_COMPLETED_STATUS])
        return tuple(kept)

    def _with_reference(self, kept: Fields, fields: Sequence[str], place: int) -> Fields:
        """Nothing of a reference is kept: whoever placed the order has chosen it."""
        if place >= len(fields) or not fields[place]:
            return kept
        return (*kept[:place], self.names.chosen(fields[place]), *kept[place + 1 :])

    def _order(self, fields: Sequence[str], contract: int, length: int) -> Fields:
        end = contract + length
        kept = (
            self.names.hidden(field) if contract <= at < end else self._own(field) for at, field in enumerate(fields)
        )
        return tuple(kept)

    def _figure(self, fields: Sequence[str], tag: int) -> Fields:
        return tuple(self.names.hidden(field) if at == tag else self._own(field) for at, field in enumerate(fields))

    def _own(self, field: str) -> str:
        """A number, a time or a word of the venue stays; any other text has a name instead."""
        own = NUMBER.fullmatch(field) or TIME.fullmatch(field) or _TERMS.fullmatch(field)
        if own or field in _WORDS:
            return self.names.hidden(field)
        return self.names.chosen(field)


def _kind(fields: Sequence[str], kinds: type[Inbound] | type[Outbound]) -> Inbound | Outbound | None:
    try:
        return kinds(int(fields[0]))
    except (ValueError, IndexError):
        return None
