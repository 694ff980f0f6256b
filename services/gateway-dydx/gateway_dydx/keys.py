"""The secret that signs: the words of a wallet, or a private key. Pure.

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


@dataclass(frozen=True, slots=True)
class KeySource:
    """A secret of the right form, in its plain writing: words with one space between, or 64 hex digits."""

    form: KeyForm
    secret: Secret


def key_source(mnemonic: Secret | None, private_key: Secret | None) -> KeySource:
    """Take the one secret that was given.

    Raises `ConfigurationError` for none, for both and for a wrong form. Whether the words are a wallet's, their
    checksum says when the key is derived.
    """
    if (mnemonic is None) == (private_key is None):
        found = "neither is set" if mnemonic is None else "both are set"
        raise ConfigurationError(
            [
                "the gateway signs with one key: set SIGNALBOX_DYDX_MNEMONIC_FILE or SIGNALBOX_DYDX_PRIVATE_KEY_FILE, "
                f"a file of mode 600 ({found})."
            ]
        )
    if mnemonic is not None:
        words = mnemonic.reveal().split()
        if len(words) not in MNEMONIC_WORDS or not all(word.isascii() and word.isalpha() for word in words):
            raise ConfigurationError(["SIGNALBOX_DYDX_MNEMONIC is no mnemonic: it must be 12 to 24 English words."])
        return KeySource(KeyForm.MNEMONIC, Secret(" ".join(words).lower()))
    assert private_key is not None
    digits = private_key.reveal().strip().lower().removeprefix("0x")
    if len(digits) != PRIVATE_KEY_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise ConfigurationError(["SIGNALBOX_DYDX_PRIVATE_KEY is no private key: it must be 64 hex digits."])
    if not 0 < int(digits, 16) < CURVE_ORDER:
        raise ConfigurationError(["SIGNALBOX_DYDX_PRIVATE_KEY is no private key of its curve."])
    return KeySource(KeyForm.PRIVATE_KEY, Secret(digits))
