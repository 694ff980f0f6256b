"""The `signalbox` command: run a desk, publish intents, look, halt, ask.

It talks to the desk as its users do, over NATS with a person's credentials; only `up` and `demo` start processes.
"""
