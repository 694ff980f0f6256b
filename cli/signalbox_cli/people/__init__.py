"""`signalbox people`: who may speak to the desk under which name.

`roll` is the file that says so, `server` has nats-server take it in, `commands` is what a person types.
"""
