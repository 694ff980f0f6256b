"""The desk's bus: NATS with JetStream, its traps hidden.

What `reference` measurements of nats-py ask for and this package does: publish with retry under the same
`Nats-Msg-Id`; a continuous pull instead of `fetch`; reads that can be resumed at any sequence; watches that recover
within two seconds of a server's restart; reconnect for ever; a process that ends when its connection closes.
"""

import signalbox.bus.no_websockets  # noqa: F401

# isort: split
from signalbox.bus.connecting import BusSettings
from signalbox.bus.connection import Bus
from signalbox.bus.consuming import dead_letter
from signalbox.bus.queueing import Queue
from signalbox.bus.received import Progress, PublishAck, Received

__all__ = ["Bus", "BusSettings", "Progress", "PublishAck", "Queue", "Received", "dead_letter"]
