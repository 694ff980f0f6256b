"""The secret that signs: the words of a wallet, its private key, or a key that its owner lets trade. Pure.

Owns what such a secret must look like. No error here or in `venue_node` shows any part of it, and only `venue_node`
makes a key of it. That the file it came from is its owner's alone is seen to by `signalbox.settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from signalbox.errors import ConfigurationError
from signalbox.settings import Secret

MNEMONIC_WORDS = (12, 15, 18, 21, 24)
PRIVATE_KEY_DIGITS = 64
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""secp256k1's (SEC 2, 2.4.1): a private key is above 0 and below this."""


class KeyForm(StrEnum):
    MNEMONIC = "MNEMONIC"
    PRIVATE_KEY = "PRIVATE_KEY"


class KeyOwner(StrEnum):
    WALLET = "WALLET"
    """The account's own: it can do everything with it."""
    TRADER = "TRADER"
    """Another key, to which the account's owner has given an authenticator (`permissions`)."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """A secret of the right form, in its plain writing: words with one space between, or 64 hex digits."""

    form: KeyForm
    secret: Secret
    owner: KeyOwner


def key_source(mnemonic: Secret | None, private_key: Secret | None, trading_key: Secret | None = None) -> KeySource:
    """Take the one secret that was given; a trading key may be words or digits.

    Raises `ConfigurationError` for none, for two and for a wrong form. Whether the words are a wallet's, their
    checksum says when the key is derived.
    """
    given = [
        (name, secret)
        for name, secret in (
            ("SIGNALBOX_DYDX_TRADING_KEY", trading_key),
            ("SIGNALBOX_DYDX_MNEMONIC", mnemonic),
            ("SIGNALBOX_DYDX_PRIVATE_KEY", private_key),
        )
        if secret is not None
    ]
    if len(given) != 1:
        found = " and ".join(f"{name} is set" for name, _ in given) or "none of them is set"
        raise ConfigurationError(
            [
                "the gateway signs with one key, in a file of mode 600: SIGNALBOX_DYDX_TRADING_KEY_FILE (of a key that "
                "can trade and nothing else), SIGNALBOX_DYDX_MNEMONIC_FILE or SIGNALBOX_DYDX_PRIVATE_KEY_FILE (of the "
                f"wallet itself): {found}."
            ]
        )
    ((name, secret),) = given
    if secret is trading_key:
        return source_of(name, secret, KeyOwner.TRADER)
    make = _of_words if secret is mnemonic else _of_digits
    return make(name, secret, KeyOwner.WALLET)


def source_of(name: str, secret: Secret, owner: KeyOwner) -> KeySource:
    """Take a secret that may be words or digits. Raises `ConfigurationError` about `name`."""
    make = _of_words if len(secret.reveal().split()) > 1 else _of_digits
    return make(name, secret, owner)


def _of_words(name: str, secret: Secret, owner: KeyOwner) -> KeySource:
    words = secret.reveal().split()
    if len(words) not in MNEMONIC_WORDS or not all(word.isascii() and word.isalpha() for word in words):
        raise ConfigurationError([f"{name} is no mnemonic: it must be 12 to 24 English words."])
    return KeySource(KeyForm.MNEMONIC, Secret(" ".join(words).lower()), owner)


def _of_digits(name: str, secret: Secret, owner: KeyOwner) -> KeySource:
    digits = secret.reveal().strip().lower().removeprefix("0x")
    if len(digits) != PRIVATE_KEY_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise ConfigurationError([f"{name} is no private key: it must be 64 hex digits."])
    if not 0 < int(digits, 16) < CURVE_ORDER:
        raise ConfigurationError([f"{name} is no private key of its curve."])
    return KeySource(KeyForm.PRIVATE_KEY, Secret(digits), owner)
