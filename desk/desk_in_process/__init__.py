"""The desk in one process: the deciders of the services, and venues, as values in the desk's total order.

No NATS, clock, codec or await. Tests stand on it, and whoever runs the desk over history or replays a recorded day.
"""
