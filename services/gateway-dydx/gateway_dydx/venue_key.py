"""The key made of its secret, by the library, and held against the account that it is to sign for.

Owns that no error shows any part of the secret.
"""

from __future__ import annotations

from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from signalbox.errors import ConfigurationError

from gateway_dydx.keys import KeyForm, KeyOwner, KeySource


def key_of(source: KeySource, address: str) -> KeyPair:
    """Derive the key. Raises `ConfigurationError` when it is not made for `address`, or can not be derived."""
    key = _derived(source)
    derived = address_of(key)
    if source.owner is KeyOwner.WALLET and derived != address:
        raise ConfigurationError(
            [
                f"the key is that of {derived}, but the desk file names {address}: use the right key or account. (A "
                "key that its owner only lets trade goes into SIGNALBOX_DYDX_TRADING_KEY_FILE.)"
            ]
        )
    if source.owner is KeyOwner.TRADER and derived == address:
        raise ConfigurationError(
            [
                f"SIGNALBOX_DYDX_TRADING_KEY is the own key of {address}, which can also withdraw: make a trading key "
                "with `signalbox dydx-key create`, or name this one as SIGNALBOX_DYDX_PRIVATE_KEY_FILE."
            ]
        )
    return key


def wallet_address(source: KeySource) -> str:
    """The address of a key. Raises `ConfigurationError` when it can not be derived."""
    return address_of(_derived(source))


def address_of(key: KeyPair) -> str:
    return str(Wallet(key, 0, 0).address)


def _derived(source: KeySource) -> KeyPair:
    """Derive the key. The library's errors name what they were given, so they end here, wholly."""
    key: KeyPair | None = None
    try:
        make = KeyPair.from_mnemonic if source.form is KeyForm.MNEMONIC else KeyPair.from_hex
        key = make(source.secret.reveal())
    except Exception:  # whatever it says, it may say the secret
        pass
    if key is None:  # outside of the handler: the library's error must not hang on ours as its context
        raise ConfigurationError(
            ["no key can be made of the given mnemonic or private key: a word is wrong, or the order of the words."]
        )
    return key
