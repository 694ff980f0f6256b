"""Accounts of the chain: number, sequence, timestamp nonces and what the wallet holds.

Owns replay protection. Pure: an account in, an account out. It must not know messages or blocks. Source:
protocol/x/accountplus/keeper/timestampnonce.go and protocol/app/ante/replay_protection.go of v4-chain.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from simulators.dydx.authenticators import Authenticator
from simulators.dydx.refusals import Code, RefusedError

TIMESTAMP_SEQUENCE_MIN = 1 << 40
TIMESTAMPS_KEPT_MAX = 20
TIMESTAMP_WINDOW_MILLISECONDS = 30_000

USDC_DENOM = "ibc/8E27BA2D5493AF5636760E354E46004562C46AB7EC0CC4C1CA14E9E20E2545B5"
NATIVE_DENOM = "adv4tnt"


class Account(Struct, frozen=True, kw_only=True):
    """One address. `wallet` is denomination -> amount in its smallest unit (USDC: millionths)."""

    address: str
    number: int
    sequence: int = 0
    timestamps: tuple[int, ...] = ()
    """Timestamp sequences used within the window, milliseconds."""
    timestamp_ejected_max: int = 0
    public_key: bytes = b""
    wallet: dict[str, int] = {}
    authenticators: tuple[Authenticator, ...] = ()

    def with_balance(self, denomination: str, change: int) -> Account:
        """Return the account with its wallet changed. Raises RefusedError sdk/5 below 0."""
        held = self.wallet.get(denomination, 0)
        if held + change < 0:
            raise RefusedError(
                Code.INSUFFICIENT_FUNDS,
                f"spendable balance {held}{denomination} is smaller than {-change}{denomination}",
            )
        return replace(self, wallet={**self.wallet, denomination: held + change})


def is_timestamp(sequence: int) -> bool:
    """Say whether a sequence is a timestamp nonce."""
    return sequence >= TIMESTAMP_SEQUENCE_MIN


def use_sequence(account: Account, sequence: int, block_milliseconds: int, window_milliseconds: int) -> Account:
    """Use up a sequence or timestamp nonce. Raises RefusedError sdk/32."""
    if not is_timestamp(sequence):
        if sequence != account.sequence:
            raise RefusedError(
                Code.WRONG_SEQUENCE, f"account sequence mismatch, expected {account.sequence}, got {sequence}"
            )
        return replace(account, sequence=account.sequence + 1)
    oldest = block_milliseconds - window_milliseconds
    if not oldest <= sequence <= block_milliseconds + window_milliseconds:
        raise RefusedError(Code.WRONG_SEQUENCE, f"timestamp nonce {sequence} not within valid time window")
    kept = tuple(each for each in account.timestamps if each >= oldest)
    ejected = max((account.timestamp_ejected_max, *(each for each in account.timestamps if each < oldest)))
    rejected = RefusedError(Code.WRONG_SEQUENCE, f"timestamp nonce {sequence} rejected")
    if sequence <= ejected or sequence in kept:
        raise rejected
    if len(kept) >= TIMESTAMPS_KEPT_MAX:
        smallest = min(kept)
        if sequence <= smallest:
            raise rejected
        # The chain gives the place of the smallest to a larger one, and takes nothing up to the smallest any more.
        kept, ejected = tuple(each for each in kept if each != smallest), smallest
    return replace(account, timestamps=(*kept, sequence), timestamp_ejected_max=ejected)
