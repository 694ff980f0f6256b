"""One link of the bare chain: takes a message off a stream, stores it in the next, acknowledges. No desk, no JSON.

The floor that the order path is measured beside, with plain asyncio and nats-py. A message is the name that its first
word is, padded to the size of the next hop; the name is its message id. The last link writes to a socket instead, as
the gateway writes to the venue's.
"""

from __future__ import annotations

import argparse
import asyncio
import json

import nats
from nats.aio.msg import Msg

BATCH = 64


async def main(url: str, stream: str, subject: str, size_bytes: int, socket_port: int) -> None:
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
                name = message.data.split(maxsplit=1)[0]
                await context.publish(subject, name.ljust(size_bytes), headers={"Nats-Msg-Id": name.decode()})
            await client.publish(message.reply, b"+ACK")
        if wanted <= BATCH // 2:
            wanted += BATCH
            await client.publish(following, pull, reply=inbox)

    await client.subscribe(inbox, cb=handle)
    wanted = BATCH
    await client.publish(following, pull, reply=inbox)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("stream")
    parser.add_argument("--subject", default="")
    parser.add_argument("--bytes", type=int, default=0)
    parser.add_argument("--socket-port", type=int, default=0)
    given = parser.parse_args()
    asyncio.run(main(given.url, given.stream, given.subject, given.bytes, given.socket_port))
