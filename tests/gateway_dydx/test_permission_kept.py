"""What a node says of a trading key is kept; where it says nothing, that is the reason."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from gateway_dydx.permissions import Permission
from gateway_dydx.plans import Subaccount
from gateway_dydx.settings import Settings
from gateway_dydx.venue_node import NOT_ASKED, Node
from gateway_dydx.venue_permission import KeptPermission
from signalbox.errors import VenueRefusedError
from signalbox.settings import Secret

SETTINGS = Settings(nats_url="", nats_user="", nats_password=Secret(""), desk_file=Path("unused"))


class SilentNode:
    """A node that knows nothing of authenticators; it says when it was asked."""

    def __init__(self, permission: Permission) -> None:
        self.permission, self.public_key, self.asked = permission, b"", asyncio.Event()

    async def ready(self) -> Any:
        self.asked.set()
        raise VenueRefusedError("UNIMPLEMENTED", "unknown service dydxprotocol.accountplus.Query")


def kept(node: SilentNode) -> KeptPermission:
    return KeptPermission(cast(Node, node), Subaccount("dydx1", 0), SETTINGS)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Permission(text=NOT_ASKED), "what the trading key may do could not be asked: UNIMPLEMENTED: unknown service"),
        (Permission(id=3, text="authenticator 3"), "authenticator 3"),
    ],
    ids=["never known", "known before"],
)
async def test_a_node_that_can_not_be_asked_is_the_reason_unless_the_key_is_known_to_trade(
    before: Permission, after: str
) -> None:
    node = SilentNode(before)
    keeping = asyncio.create_task(kept(node).keep())
    await asyncio.wait_for(node.asked.wait(), 10)
    node.asked.clear()
    await asyncio.wait_for(node.asked.wait(), 10)  # asked again, so that the first answer has been taken
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert node.permission.text.startswith(after)
    assert node.permission.id == before.id


@pytest.mark.parametrize(("codespace", "stops"), [("accountplus", True), ("clob", False), ("sdk", False), ("", False)])
async def test_only_a_refusal_of_the_key_stops_it(codespace: str, stops: bool) -> None:
    node = SilentNode(Permission(id=3, text="authenticator 3"))
    kept(node).refused(codespace, "Authenticator is not found")
    assert (node.permission.id is None) is stops


async def test_the_wallets_own_key_is_never_stopped() -> None:
    node = SilentNode(Permission(text="the wallet's own key"))
    kept(node).refused("accountplus", "whatever")
    assert node.permission.text == "the wallet's own key"
