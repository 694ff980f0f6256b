"""One link of the bare chain: takes a message off a stream, stores it in the next, acknowledges. No desk, no JSON.

The floor that the order path is measured beside, with plain asyncio and nats-py. A message is the name that its first
word is, padded to the size of the next hop; the name is its message id, and stands for `{name}` in the next subject.
A link with a socket writes the name there, as the gateway writes to the venue's: after what it stores, if anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json

import nats
from nats.aio.msg import Msg

BATCH = 64


async def main(url: str, stream: str, consumer: str, subject: str, size_bytes: int, socket_port: int) -> None:
    client = await nats.connect(url)
    context = client.jetstream()
    inbox = client.new_inbox()
    pull = json.dumps({"batch": BATCH, "expires": 60_000_000_000}).encode()
    following = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
    writer = (await asyncio.open_connection("127.0.0.1", socket_port))[1] if socket_port else None
    wanted = 0

    async def handle(message: Msg) -> None:
        nonlocal wanted
        if message.headers and "Status" in message.headers:
            wanted = 0
        else:
            wanted -= 1
            name = message.data.split(maxsplit=1)[0]
            if subject:
                place, headers = subject.format(name=name.decode()), {"Nats-Msg-Id": name.decode()}
                await context.publish(place, name.ljust(size_bytes), headers=headers)
            if writer is not None:
                writer.write(message.data)
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
    parser.add_argument("--consumer", default="link")
    parser.add_argument("--subject", default="")
    parser.add_argument("--bytes", type=int, default=0)
    parser.add_argument("--socket-port", type=int, default=0)
    given = parser.parse_args()
    asyncio.run(main(given.url, given.stream, given.consumer, given.subject, given.bytes, given.socket_port))
