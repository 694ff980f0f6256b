"""The REST answers about what this simulation has little of: affiliates, vaults, usernames.

Owns truthful emptiness: an empty list where there is nothing, 404 where something that does not exist is named. A
username, which is also a referral code, is made from the subaccount's id, as the indexer makes one for everybody.
"""

from __future__ import annotations

from decimal import Decimal

from simulators.dydx.indexer_view import IndexerView
from simulators.dydx.rest_query import NotFoundError, Query
from simulators.dydx.shapes import Json, subaccount_id

VOLUME_ELIGIBLE_USD = 10_000
RESOLUTIONS = ("hour", "day")


class OtherAnswers:
    """Answers questions about affiliates, vaults and traders."""

    def __init__(self, view: IndexerView) -> None:
        self._view = view

    def affiliate_metadata(self, query: Query) -> Json:
        """Return the referral code of an address; nobody has referred anybody."""
        address = query.address()
        query.check()
        if (address, 0) not in self._view.subaccounts:
            raise NotFoundError(f"Wallet with address {address} not found")
        eligible = self._volume_usd(address) >= VOLUME_ELIGIBLE_USD
        return {"referralCode": username(address), "isVolumeEligible": eligible, "isAffiliate": False}

    def affiliate_address(self, query: Query) -> Json:
        """Return the address that has a referral code."""
        code = query.text("referralCode")
        query.check()
        address = self._address_of(code)
        if address is None:
            raise NotFoundError(f"Referral code {code} does not exist")
        return {"address": address}

    def affiliate_snapshot(self, query: Query) -> Json:
        """There are no affiliates."""
        query.limit()
        offset = query.integer("offset", 0, "offset must be a non-negative integer") or 0
        query.check()
        return {"affiliateList": [], "total": 0, "currentOffset": offset}

    def affiliate_total_volume(self, query: Query) -> Json:
        """Return what an address has traded, in USD."""
        address = query.address()
        query.check()
        if not self._view.subaccounts_of(address):
            raise NotFoundError(f"Wallet with address {address} not found")
        return {"totalVolume": float(self._volume_usd(address))}

    def megavault_pnl(self, query: Query) -> Json:
        """There is no megavault."""
        query.choice("resolution", RESOLUTIONS, "type must be a valid PnlTickInterval (hour/day)")
        query.check()
        return {"megavaultPnl": []}

    def vaults_pnl(self, query: Query) -> Json:
        """There are no vaults."""
        query.choice("resolution", RESOLUTIONS, "type must be a valid PnlTickInterval (hour/day)")
        query.check()
        return {"vaultsPnl": []}

    def megavault_positions(self, _: Query) -> Json:
        """There are no vaults."""
        return {"positions": []}

    def trader_search(self, query: Query) -> Json:
        """Return the trader with an address or a username."""
        searched = query.raw("searchParam")
        if searched is None:
            query.refuse("searchParam", "searchParam is required")
        query.check()
        address = searched if (searched, 0) in self._view.subaccounts else self._address_of(searched or "")
        if address is None:
            raise NotFoundError(f"Subaccount not found:{searched}")
        return {
            "result": {
                "address": address,
                "subaccountNumber": 0,
                "subaccountId": subaccount_id(address, 0),
                "username": username(address),
            }
        }

    def _address_of(self, name: str) -> str | None:
        found = (owner for owner, number in self._view.subaccounts if number == 0 and username(owner) == name)
        return next(found, None)

    def _volume_usd(self, address: str) -> Decimal:
        fills = (fill for fill in self._view.fills if fill.address == address)
        return sum((fill.price * fill.size for fill in fills), Decimal(0))


def username(address: str) -> str:
    """Return the username of an address's first subaccount."""
    return f"Trader{subaccount_id(address, 0)[:8]}"
