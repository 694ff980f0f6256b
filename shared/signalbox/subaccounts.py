"""What an account at dYdX is called: a chain address and the number of one of its sub-accounts, `dydx1...-0`.

Owns that name and the address's checksum, so that a typing mistake is found before anything is asked of a chain. It
must not know keys, nor whether anybody has the account.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SUBACCOUNT_NUMBER_MAX = 127
"""The chain has more (up to 128,000: isolated markets); the desk trades cross margin, which these hold."""

_PREFIX = "dydx"
_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_NAME = re.compile(rf"(?P<address>{_PREFIX}1[{_LETTERS}]{{38}})-(?P<number>0|[1-9][0-9]{{0,2}})")


@dataclass(frozen=True, slots=True)
class Subaccount:
    """One sub-account; `str()` is the desk's name of the account."""

    address: str
    number: int

    def __str__(self) -> str:
        return f"{self.address}-{self.number}"


def parse_subaccount(text: str) -> Subaccount:
    """Read an account name. Raises `ValueError` with what is wrong, as the rest of a sentence that begins with it."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise ValueError("an account at dydx is an address and a sub-account's number, as dydx1...-0")
    number = int(match["number"])
    if number > SUBACCOUNT_NUMBER_MAX:
        raise ValueError(f"a sub-account's number is 0 to {SUBACCOUNT_NUMBER_MAX}")
    if not _checksum_holds(match["address"]):
        raise ValueError("the address has a typing mistake: its checksum does not hold")
    return Subaccount(match["address"], number)


def _checksum_holds(address: str) -> bool:
    """Verify a Bech32 checksum (BIP-173): the polynomial over prefix and data must come out as 1."""
    data = [_LETTERS.index(letter) for letter in address[len(_PREFIX) + 1 :]]
    expanded = [ord(letter) >> 5 for letter in _PREFIX] + [0] + [ord(letter) & 31 for letter in _PREFIX]
    checksum = 1
    for value in expanded + data:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum == 1
