"""One link of the bare chain: takes a message off a stream, stores it in the next, acknowledges. No desk, no JSON.

The floor that the order path is measured beside: `python -m benchmarks.bare_chain URL STREAM SUBJECT [SOCKET_PORT]`
with plain nats-py. The last link writes to a socket instead, as the gateway writes to the venue's.
"""

from __future__ import annotations

import asyncio
import json
import sys

import nats
from nats.aio.msg import Msg

BATCH = 64


async def main(url: str, stream: str, subject: str, socket_port: int) -> None:
    client = await nats.connect(url)
    context = client.jetstream()
    inbox = client.new_inbox()
    pull = json.dumps({"batch": BATCH, "expires": 60_000_000_000}).encode()
    following = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.link"
    writer = (await asyncio.open_connection("127.0.0.1", socket_port))[1] if socket_port else None
    wanted = 0

    async def handle(message: Msg) -> None:
        nonlocal wanted
        if message.headers and "Status" in message.headers:
            wanted = 0
        else:
            wanted -= 1
            if writer is not None:
                writer.write(message.data)
            else:
                await context.publish(subject, message.data)
            await client.publish(message.reply, b"+ACK")
        if wanted <= BATCH // 2:
            wanted += BATCH
            await client.publish(following, pull, reply=inbox)

    await client.subscribe(inbox, cb=handle)
    wanted = BATCH
    await client.publish(following, pull, reply=inbox)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 0))
