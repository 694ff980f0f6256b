"""Takes nats-py in without aiohttp; to be imported before anything else of nats-py.

nats-py imports aiohttp wherever it is installed, for connections over websockets, which the desk does not make. The
simulators have it, and so does an environment that holds the whole desk: 10 MB in every service. So it is not to be
found while nats-py looks for it, and there again afterwards.
"""

import importlib
import sys

_hidden = "aiohttp" not in sys.modules
if _hidden:
    sys.modules["aiohttp"] = None  # type: ignore[assignment]
importlib.import_module("nats.aio.transport")
if _hidden:
    del sys.modules["aiohttp"]
