"""The authenticators of accounts: added, removed, and asked whether they let a transaction pass.

Owns the state of v4-chain's accountplus module but for the nonces (`accounts`): who has which authenticator, the next
one's id, and the switch by which governance turns the whole flow off. It must not know what a kind of authenticator
looks at (`authenticators`), nor blocks. Source: protocol/x/accountplus/{ante,keeper} of v4-chain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator

from simulators.dydx.accounts import Account
from simulators.dydx.authenticators import Authenticator, Request, authenticate, check_added, initialize
from simulators.dydx.refusals import Code, RefusedError
from simulators.dydx.state import ChainState
from simulators.dydx.transactions import Transaction, check_signature_count, is_signed_by


class SmartAccounts:
    """The authenticators of one chain's accounts. `is_active` is not kept over restarts."""

    def __init__(self, state: ChainState) -> None:
        self._state, self.is_active = state, True

    # ------------------------------------------------------------------------------------------------ transactions

    def check(self, transaction: Transaction, account: Account, chain_id: str) -> None:
        """Check a transaction that selects authenticators, in place of its signer's own key. Raises RefusedError.

        The chain asks neither whose the public key in it is nor how it says it was signed: what is signed directly
        by the authenticator's key passes.
        """
        selected = self._selected(transaction)
        check_signature_count(transaction)
        for index, (message, id_) in enumerate(zip(transaction.messages, selected, strict=True)):
            found = self._usable(account.address, id_, index, message)
            request = Request(
                message=message,
                is_signed_by=lambda key: is_signed_by(key, transaction, account.number, chain_id),
                account_number=account.number,
                sequence=account.sequence,
                chain_id=chain_id,
            )
            try:
                authenticate(found.type, found.config, request, str(id_))
            except RefusedError as error:
                raise error.under(
                    f"authentication failed for message {index}, authenticator id {id_}, type {found.type}"
                ) from None

    def check_simulated(self, transaction: Transaction) -> None:
        """Check what simulation checks: that the authenticators are there. Raises RefusedError."""
        for index, (message, id_) in enumerate(zip(transaction.messages, self._selected(transaction), strict=True)):
            self._usable(transaction.signer, id_, index, message)

    def has(self, address: str, id_: int) -> bool:
        """Say whether orders that were placed through an authenticator may still be matched."""
        return self.is_active and self._find(address, id_) is not None

    def _selected(self, transaction: Transaction) -> tuple[int, ...]:
        if not self.is_active:
            raise RefusedError(Code.SMART_ACCOUNT_NOT_ACTIVE)
        selected, messages = transaction.authenticators, len(transaction.messages)
        if len(selected) != messages:
            raise RefusedError(
                Code.INVALID_REQUEST,
                "Mismatch between the number of selected authenticators and messages, "
                f"msg count {messages}, got {len(selected)} selected authenticators",
            )
        return selected

    def _usable(self, address: str, id_: int, index: int, message: Any) -> Authenticator:
        try:
            found = self._find(address, id_)
            if found is None:
                raise RefusedError(Code.AUTHENTICATOR_NOT_FOUND, f"authenticator {id_} not found for account {address}")
            try:
                initialize(found.type, found.config)
            except RefusedError as error:
                raise error.under(
                    f"authenticator {id_} with type {found.type} failed to initialize for account {address}"
                ) from None
        except RefusedError as error:
            raise error.under(
                f"failed to get initialized authenticator (account = {address}, authenticator id = {id_}, "
                f"msg index = {index}, msg type url = /{message.DESCRIPTOR.full_name})"
            ) from None
        return found

    def _find(self, address: str, id_: int) -> Authenticator | None:
        account = self._state.accounts.get(address)
        held = account.authenticators if account is not None else ()
        return next((each for each in held if each.id == id_), None)

    # ---------------------------------------------------------------------------------------------------- messages

    def execute(self, message: Any, keep: Callable[[Account], None]) -> None:
        """Add or remove an authenticator; the account as it is then is handed to `keep`. Raises RefusedError."""
        if not self.is_active:
            raise RefusedError(Code.UNAUTHORIZED, "smart account authentication flow is not active")
        if isinstance(message, MsgAddAuthenticator):
            check_added(message.authenticator_type, message.data, str(self._state.authenticator_next))
            account = self._state.accounts[message.sender]
            made = Authenticator(
                id=self._state.authenticator_next, type=message.authenticator_type, config=message.data
            )
            keep(replace(account, authenticators=(*account.authenticators, made)))
            return
        if self._find(message.sender, message.id) is None:
            raise RefusedError(
                Code.AUTHENTICATOR_NOT_FOUND,
                f"RemoveAuthenticator: failed to get authenticator {message.id} for address {message.sender}",
            )
        account = self._state.accounts[message.sender]
        kept = tuple(each for each in account.authenticators if each.id != message.id)
        keep(replace(account, authenticators=kept))
