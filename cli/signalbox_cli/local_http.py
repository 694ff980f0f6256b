"""One question over HTTP to a process of this machine."""

from __future__ import annotations

import asyncio

ANSWER_SECONDS_MAX = 2.0


async def get(port: int, path: str) -> tuple[int, str]:
    """Status and body; (0, "") when nothing answers."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                raw = (await reader.read()).decode()
            finally:  # also when the process is suspended and does not answer
                writer.close()
    except (OSError, TimeoutError):
        return 0, ""
    head, _, body = raw.partition("\r\n\r\n")
    return (int(head.split()[1]) if head else 0), body
