"""The chain's refusals: codespace, code and registered text, as v4-chain and the Cosmos SDK register them.

Owns the table. It must not know when a refusal is due (`validation`, `accounts`, `admission`).
"""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    """(codespace, code, registered text)."""

    UNDEFINED = "undefined", 1, ""
    """What a Go error without a registered code becomes: its text alone."""
    UNAUTHORIZED = "sdk", 4, "unauthorized"
    INSUFFICIENT_FUNDS = "sdk", 5, "insufficient funds"
    UNKNOWN_REQUEST = "sdk", 6, "unknown request"
    INVALID_ADDRESS = "sdk", 7, "invalid address"
    INVALID_PUBKEY = "sdk", 8, "invalid pubkey"
    UNKNOWN_ADDRESS = "sdk", 9, "unknown address"
    TX_DECODE = "sdk", 2, "tx parse error"
    MEMO_TOO_LARGE = "sdk", 12, "memo too large"
    INSUFFICIENT_FEE = "sdk", 13, "insufficient fee"
    NO_SIGNATURES = "sdk", 15, "no signatures supplied"
    INVALID_REQUEST = "sdk", 18, "invalid request"
    TX_IN_MEMPOOL_CACHE = "sdk", 19, "tx already in mempool"
    MEMPOOL_IS_FULL = "sdk", 20, "mempool is full"
    TX_TIMEOUT_HEIGHT = "sdk", 30, "tx timeout height"
    WRONG_SEQUENCE = "sdk", 32, "incorrect account sequence"

    INVALID_ORDER_SIDE = "clob", 3, "Invalid order side"
    INVALID_ORDER_QUANTUMS = "clob", 4, "Invalid order quantums"
    INVALID_GOOD_TIL_BLOCK = "clob", 5, "Invalid order goodTilBlock"
    INVALID_ORDER_SUBTICKS = "clob", 6, "Invalid order subticks"
    ORDER_IS_CANCELED = "clob", 7, "Attempt to place an order that is already canceled"
    INVALID_CLOB = "clob", 8, "ClobPair ID does not reference a valid CLOB"
    CANCEL_ALREADY_EXISTS = (
        "clob",
        9,
        "A cancel already exists in the memclob for this order with a greater than or equal GoodTilBlock",
    )
    HEIGHT_EXCEEDS_GOOD_TIL_BLOCK = (
        "clob",
        10,
        "The next block height is greater than the GoodTilBlock of the message",
    )
    GOOD_TIL_BLOCK_TOO_FAR = (
        "clob",
        11,
        "The GoodTilBlock of the message is further than ShortBlockWindow blocks into the future",
    )
    INVALID_PLACE_ORDER = "clob", 12, "MsgPlaceOrder is invalid"
    INVALID_REPLACEMENT = "clob", 20, "Replacing an existing order failed"
    ORDER_FULLY_FILLED = "clob", 24, "Order is fully filled"
    CONFLICTS_WITH_STATUS = "clob", 34, "Order conflicts with ClobPair status"
    INVALID_STATEFUL_CANCELLATION = "clob", 29, "Invalid stateful order cancellation"
    STATEFUL_CANCELLATION_EXISTS = (
        "clob",
        32,
        "Existing stateful order cancellation has higher-or-equal priority than the new one",
    )
    INVALID_TIME_IN_FORCE = "clob", 44, "invalid time in force"
    INVALID_BATCH_CANCEL = "clob", 45, "Invalid batch cancel message"
    DEPRECATED_FIELD = "clob", 48, "This field has been deprecated"
    REDUCE_ONLY_WOULD_INCREASE = "clob", 2001, "Reduce-only orders cannot increase the position size"
    POST_ONLY_WOULD_CROSS = "clob", 2003, "Post-only order would cross one or more maker orders"
    IMMEDIATE_ORDER_ALREADY_FILLED = (
        "clob",
        2004,
        "IOC order is already filled, remaining size is cancelled.",
    )
    INVALID_ORDER_FLAG = "clob", 3000, "Invalid order flags"
    INVALID_GOOD_TIL_BLOCK_TIME = "clob", 3001, "Invalid order goodTilBlockTime"
    LONG_TERM_IMMEDIATE = "clob", 3002, "Stateful orders cannot require immediate execution"
    TIME_EXCEEDS_GOOD_TIL_BLOCK_TIME = (
        "clob",
        3003,
        "The block time is greater than the GoodTilBlockTime of the message",
    )
    GOOD_TIL_BLOCK_TIME_TOO_FAR = (
        "clob",
        3004,
        "The GoodTilBlockTime of the message is further than StatefulOrderTimeWindow into the future",
    )
    STATEFUL_ORDER_EXISTS = "clob", 3005, "Existing stateful order has higher-or-equal priority than the new one"
    STATEFUL_ORDER_DOES_NOT_EXIST = "clob", 3006, "Stateful order does not exist"
    COLLATERALIZATION_CHECK_FAILED = "clob", 3007, "Stateful order collateralization check failed"
    STATEFUL_ORDER_PREVIOUSLY_CANCELLED = (
        "clob",
        3008,
        "Stateful order was previously cancelled and therefore cannot be placed",
    )
    BLOCK_RATE_LIMIT_EXCEEDED = "clob", 5001, "Block rate limit exceeded"
    INVALID_CONDITION_TYPE = "clob", 6000, "Conditional type is invalid"
    INVALID_TRIGGER_SUBTICKS = "clob", 6001, "Conditional order trigger subticks is invalid"
    REDUCE_ONLY_DISABLED = "clob", 9003, "Reduce-only is currently disabled for non-IOC orders"
    EQUITY_TIER_LIMIT = "clob", 10001, "Subaccount cannot open more orders due to equity tier limit."

    AUTHENTICATOR_NOT_FOUND = "accountplus", 1, "Authenticator is not found"
    AUTHENTICATOR_ADDRESS = "accountplus", 2, "Invalid account address"
    AUTHENTICATOR_TOO_LONG = "accountplus", 3, "Authenticator data exceeds maximum length"
    SMART_ACCOUNT_NOT_ACTIVE = "accountplus", 4, "Smart account is not active"
    SIGNATURE_VERIFICATION = "accountplus", 100, "Signature verification failed"
    MESSAGE_TYPE_VERIFICATION = "accountplus", 101, "Message type verification failed"
    CLOB_PAIR_ID_VERIFICATION = "accountplus", 102, "Clob pair id verification failed"
    SUBACCOUNT_VERIFICATION = "accountplus", 103, "Subaccount verification failed"
    ALL_OF_VERIFICATION = "accountplus", 104, "AllOf verification failed"
    ANY_OF_VERIFICATION = "accountplus", 105, "AnyOf verification failed"

    INVALID_CLOB_ADDRESS = "clob", 11001, "Invalid address"
    INVALID_LEVERAGE = "clob", 11002, "Invalid update leverage"
    LEVERAGE_EXCEEDS_MAXIMUM = "subaccounts", 701, "leverage exceeds maximum allowed"
    LEVERAGE_VIOLATES_MARGIN = "subaccounts", 703, "leverage violates margin requirements"

    SENDER_IS_RECIPIENT = "sending", 1, "Sender is the same as recipient"
    INVALID_TRANSFER_AMOUNT = "sending", 2, "Invalid transfer amount"
    INVALID_ACCOUNT_ADDRESS = "sending", 6, "Account address is invalid"
    ONLY_USDC = "sending", 1101, "Non-USDC asset transfer not implemented"

    FAILED_TO_UPDATE = "subaccounts", 102, "failed to apply subaccount updates"
    INVALID_SUBACCOUNT_NUMBER = "subaccounts", 200, "subaccount id number cannot exceed 128000"
    INVALID_SUBACCOUNT_OWNER = "subaccounts", 201, "subaccount id owner is an invalid address"

    @property
    def codespace(self) -> str:
        return self.value[0]

    @property
    def number(self) -> int:
        return self.value[1]

    @property
    def text(self) -> str:
        return self.value[2]


class RefusedError(Exception):
    """A transaction that the chain does not take; `log` is what the chain writes to `raw_log`."""

    def __init__(self, code: Code, detail: str = "") -> None:
        self.code, self._detail = code, detail
        self.log = ": ".join(part for part in (detail, code.text) if part)
        super().__init__(self.log)

    def under(self, prefix: str) -> RefusedError:
        """Return the same refusal as a caller tells it, who says first what it was at."""
        return RefusedError(self.code, f"{prefix}: {self._detail}" if self._detail else prefix)
