"""The library every Signalbox service shares: messages, subjects, the bus, settings, telemetry and errors.

It knows nothing of any one service or venue. Services import it, never each other.
"""
