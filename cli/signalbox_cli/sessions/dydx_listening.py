"""The two ports of a dYdX on loopback: a node's gRPC, whatever its methods are, and an indexer's HTTP.

Owns how one listens. It must not know what is said.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
from aiohttp import web

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
STOP_SECONDS_MAX = 0.5

Call = grpc.aio.ServicerContext[Any, Any]


async def serve_http(stack: AsyncExitStack, port: int, routes: list[web.RouteDef]) -> int:
    """Listen on loopback; the port. Raises OSError when it is taken."""
    application = web.Application()
    application.add_routes(routes)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=STOP_SECONDS_MAX)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    bound: int = runner.addresses[0][1]
    return bound


async def serve_grpc(stack: AsyncExitStack, port: int, behaviour: Callable[[str], Callable[[bytes, Call], Any]]) -> int:
    """Answer every method of a node on loopback, as bytes; the port. Raises OSError when it is taken."""

    class Methods(grpc.GenericRpcHandler):
        def service(self, call_details: grpc.HandlerCallDetails) -> Any:
            return grpc.unary_unary_rpc_method_handler(behaviour(call_details.method))

    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)))
    server.add_generic_rpc_handlers((Methods(),))
    try:
        bound: int = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError as error:
        raise OSError(98, f"port {port} is taken") from error
    await server.start()
    stack.push_async_callback(server.stop, STOP_SECONDS_MAX)
    return bound


def abort(request: web.Request) -> web.StreamResponse:
    """End a connection without a word, as a venue that is not there does."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)
