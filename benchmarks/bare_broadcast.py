"""The least that places an order at dYdX: build, sign, one gRPC call. `python -m benchmarks.bare_broadcast PORT KEY`.

The floor that the dYdX path is measured beside: the vendor's library for messages, key and transaction, and its stub on
a grpc.aio channel that stays open. No bus, no ledger, no check, no conversion: size and price are constants. For each
line of its standard input it places one order, and then prints the reading of the clock from before the building.
"""

from __future__ import annotations

import asyncio
import sys
import time

import grpc.aio
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.node import message
from dydx_v4_client.node.builder import Builder
from dydx_v4_client.wallet import Wallet
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from v4_proto.cosmos.auth.v1beta1.query_pb2 import QueryAccountRequest
from v4_proto.cosmos.auth.v1beta1.query_pb2_grpc import QueryStub
from v4_proto.cosmos.base.tendermint.v1beta1.query_pb2 import GetLatestBlockRequest
from v4_proto.cosmos.base.tendermint.v1beta1.query_pb2_grpc import ServiceStub as BlockStub
from v4_proto.cosmos.tx.v1beta1.service_pb2 import BroadcastMode, BroadcastTxRequest
from v4_proto.cosmos.tx.v1beta1.service_pb2_grpc import ServiceStub

CHAIN_ID, DENOMINATION = "localdydxprotocol", "ibc/8E27BA2D5493AF5636760E354E46004562C46AB7EC0CC4C1CA14E9E20E2545B5"
QUANTUMS = 1_000_000
SUBTICKS = {1: 20_000_000_000, 2: 1_000_000_000}
"""0.0001 BTC, bought at 200,000 USD at most and sold at 10,000 USD at least."""
IMMEDIATE_OR_CANCEL, BLOCKS = 1, 10


async def main(port: int, key_digits: str) -> None:
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    key = KeyPair.from_hex(key_digits)
    address = Wallet(key, 0, 0).address
    answer = await QueryStub(channel).Account(QueryAccountRequest(address=address))
    account = BaseAccount()
    answer.account.Unpack(account)
    wallet = Wallet(key, account.account_number, account.sequence)
    builder, stub, blocks = Builder(CHAIN_ID, DENOMINATION), ServiceStub(channel), BlockStub(channel)
    loop = asyncio.get_running_loop()
    client_id = 0
    print("ready", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        height = (await blocks.GetLatestBlock(GetLatestBlockRequest())).block.header.height
        client_id += 1
        side = client_id % 2 + 1
        began = time.perf_counter()
        order = message.order(
            order_id=message.order_id(address, 0, client_id, 0, 0),
            side=side,
            quantums=QUANTUMS,
            subticks=SUBTICKS[side],
            time_in_force=IMMEDIATE_OR_CANCEL,
            reduce_only=False,
            good_til_block=height + BLOCKS,
        )
        payload = builder.build(wallet, message.place_order(order)).SerializeToString()
        request = BroadcastTxRequest(tx_bytes=payload, mode=BroadcastMode.BROADCAST_MODE_SYNC)
        said = (await stub.BroadcastTx(request, timeout=5.0)).tx_response
        if said.code:
            raise SystemExit(f"refused: {said.codespace}/{said.code} {said.raw_log}")
        print(began, flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
