"""What every gateway does, once: a venue is a translation, and the rest is here.

Owns the way of an order between the bus and a venue, whatever the venue: what is claimed before it is sent, who may
send, what is said of an order and how often, what waits for the bus. Each module is an object or some functions that a
gateway uses; nothing here is a base class. It must not know a venue, its words, or any client library.
"""
