"""Money that moves: between subaccounts, between a subaccount and its owner's wallet, between wallets, and the faucet.

Owns the execution of those messages against accounts and subaccounts. It must not know blocks. Source:
protocol/x/sending/keeper/transfer.go of v4-chain.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.dydxprotocol.sending.transfer_pb2 import MsgDepositToSubaccount, MsgWithdrawFromSubaccount
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer

from simulators.dydx.accounts import NATIVE_DENOM, USDC_DENOM, Account
from simulators.dydx.book import Book
from simulators.dydx.margin import is_allowed, requirements
from simulators.dydx.orders import ID_NAMESPACE
from simulators.dydx.records import ChainTransfer
from simulators.dydx.refusals import Code, RefusedError
from simulators.dydx.state import ChainState

USDC_UNIT = Decimal("0.000001")
NEW_WALLET = {USDC_DENOM: 100_000_000, NATIVE_DENOM: 1_000_000_000_000_000_000}
"""What the wallet of an account holds that the faucet makes: 100 USDC and one native coin, to pay gas with."""


class Treasury:
    """Checks and makes transfers. `change` gets every account and transfer that a message changes, in order."""

    def __init__(self, state: ChainState, book: Book) -> None:
        self._state, self._book = state, book

    def new_account(self, address: str, *, from_faucet: bool = False) -> Account:
        """Return the account that an address gets when it first receives something."""
        return Account(
            address=address, number=len(self._state.accounts), wallet=dict(NEW_WALLET) if from_faucet else {}
        )

    def check(self, message: Any) -> None:
        """Check that a message could be executed now (simulation). Raises RefusedError."""
        self.execute(message, "", 0, lambda _: None)

    def execute(self, message: Any, hash_: str, index: int, keep: Callable[[Account | ChainTransfer], None]) -> None:
        """Execute a message; what changes is handed to `keep`, nothing if it is refused. Raises RefusedError."""
        match message:
            case MsgCreateTransfer():
                self._transfer(message.transfer, hash_, index, keep)
            case MsgDepositToSubaccount():
                sender = self._account(message.sender).with_balance(USDC_DENOM, -message.quantums)
                recipient = message.recipient
                keep(sender)
                self._ensure(recipient.owner, keep, sender)
                keep(
                    self._record("DEPOSIT", message.sender, 0, recipient.owner, recipient.number, message.quantums)(
                        hash_, index
                    )
                )
            case MsgWithdrawFromSubaccount():
                sender_id = message.sender
                self._check_collateral(sender_id, message.quantums)
                known = self._state.accounts.get(message.recipient) or self.new_account(message.recipient)
                keep(known.with_balance(USDC_DENOM, message.quantums))
                keep(
                    self._record(
                        "WITHDRAWAL", sender_id.owner, sender_id.number, message.recipient, 0, message.quantums
                    )(hash_, index)
                )
            case MsgSend():
                self._send(message, keep)

    def deposit(
        self, address: str, number: int, amount: Decimal, key: str, keep: Callable[[Account | ChainTransfer], None]
    ) -> None:
        """Credit a subaccount from outside; an address without an account gets one."""
        if address not in self._state.accounts:
            keep(self.new_account(address, from_faucet=True))
        quantums = int(amount / USDC_UNIT)
        keep(self._record("DEPOSIT", "", 0, address, number, quantums)(key, 0))

    def _transfer(self, transfer: Any, hash_: str, index: int, keep: Callable[[Account | ChainTransfer], None]) -> None:
        self._check_collateral(transfer.sender, transfer.amount)
        self._ensure(transfer.recipient.owner, keep, None)
        record = self._record(
            "TRANSFER",
            transfer.sender.owner,
            transfer.sender.number,
            transfer.recipient.owner,
            transfer.recipient.number,
            transfer.amount,
        )
        keep(record(hash_, index))

    def _send(self, message: Any, keep: Callable[[Account | ChainTransfer], None]) -> None:
        sender = self._account(message.from_address)
        recipient = self._state.accounts.get(message.to_address) or self.new_account(message.to_address)
        for coin in message.amount:
            sender = sender.with_balance(coin.denom, -int(coin.amount))
            if message.to_address == message.from_address:
                recipient = sender
            recipient = recipient.with_balance(coin.denom, int(coin.amount))
            sender = recipient if message.to_address == message.from_address else sender
        keep(sender)
        keep(recipient)

    def _ensure(self, address: str, keep: Callable[[Account | ChainTransfer], None], sender: Account | None) -> None:
        if address not in self._state.accounts and (sender is None or sender.address != address):
            keep(self.new_account(address))

    def _account(self, address: str) -> Account:
        account = self._state.accounts.get(address)
        if account is None:
            raise RefusedError(Code.UNKNOWN_ADDRESS, f"account {address} does not exist")
        return account

    def _check_collateral(self, sender: Any, quantums: int) -> None:
        prices, markets = self._book.oracle_prices(), self._book.markets
        subaccount = self._state.subaccounts.get(sender.owner, sender.number)
        before, fractions = self._book.requirements(subaccount), self._book.fractions(subaccount)
        after = requirements(subaccount.usdc - quantums * USDC_UNIT, subaccount.sizes(), prices, markets, fractions)
        if not is_allowed(before, after):
            result = "NewlyUndercollateralized" if before.equity >= before.initial else "StillUndercollateralized"
            raise RefusedError(
                Code.FAILED_TO_UPDATE,
                f"Subaccount with id {{{sender.owner} {sender.number}}} failed with UpdateResult: {result}",
            )

    def _record(
        self, kind: str, sender: str, sender_number: int, recipient: str, recipient_number: int, quantums: int
    ) -> Callable[[str, int], ChainTransfer]:
        def made(hash_: str, index: int) -> ChainTransfer:
            return ChainTransfer(
                id=str(uuid.uuid5(ID_NAMESPACE, f"transfer-{hash_}-{index}")),
                sender=sender,
                sender_subaccount_number=sender_number,
                recipient=recipient,
                recipient_subaccount_number=recipient_number,
                size=quantums * USDC_UNIT,
                type=kind,
                transaction_hash=hash_ if len(hash_) == 64 else hashlib.sha256(hash_.encode()).hexdigest().upper(),
                created_at=self._state.time,
                created_at_height=self._state.height,
            )

        return made
