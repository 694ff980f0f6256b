"""The control port's commands for permissioned keys: who has which, one taken away, and the whole flow turned off.

Owns their names and parameters. It must not know what an authenticator looks at. Adding one is its owner's signed
transaction, as on the chain.
"""

from __future__ import annotations

import base64

from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgRemoveAuthenticator

from simulators.control import Arguments, Command, Kind, Parameter, Reply
from simulators.dydx.chain import Chain
from simulators.dydx.commands import take_unsigned

_ADDRESS = Parameter("address", Kind.TEXT, "the owner")


class AuthenticatorControl:
    """The commands about authenticators of one chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def commands(self) -> list[Command]:
        """Every command of this class."""
        return [
            Command("authenticators", "the permissioned keys of an address", self._authenticators, (_ADDRESS,)),
            Command(
                "remove_authenticator",
                "take a permissioned key away in the next block, as its owner would",
                self._remove,
                (_ADDRESS, Parameter("id", Kind.INTEGER, "the authenticator")),
            ),
            Command(
                "smart_accounts",
                "turn permissioned keys on or off for everybody as governance does; not kept over restarts",
                self._switch,
                (Parameter("active", Kind.FLAG, "false = no authenticator passes"),),
            ),
        ]

    def _authenticators(self, arguments: Arguments) -> Reply:
        account = self._chain.state.accounts.get(arguments["address"])
        held = account.authenticators if account is not None else ()
        return {
            "authenticators": [
                {"id": each.id, "type": each.type, "config": base64.b64encode(each.config).decode()} for each in held
            ]
        }

    def _remove(self, arguments: Arguments) -> Reply:
        take_unsigned(self._chain, MsgRemoveAuthenticator(sender=arguments["address"], id=arguments["id"]))
        return {}

    def _switch(self, arguments: Arguments) -> Reply:
        self._chain.smart_accounts.is_active = arguments["active"]
        return {"active": arguments["active"]}
