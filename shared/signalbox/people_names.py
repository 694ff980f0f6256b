"""What a person, or a person's program, may be called: one word of a subject, which nobody else has. Pure."""

from __future__ import annotations

from signalbox.accounts import NAME, user_names

_WORDS = ("desk", "nats", "sys", "system", "signalbox", "people", "nobody", "everybody")
_SERVICES_TO_COME = ("strategist", "notifier", "console")


def name_mistake(name: str) -> str:
    """Why a person can not be called so, as a sentence; "" = he can."""
    if not NAME.fullmatch(name):
        return (
            f"{name!r} can be nobody's name: small letters of the English alphabet, digits, - and _, a letter first, "
            "32 at most"
        )
    if name in user_names() or name in _SERVICES_TO_COME or name.startswith("gateway-"):
        return f"{name!r} is the name of a service, or of somebody who is there from the start: choose another"
    if name in _WORDS:
        return f"{name!r} has a meaning of its own in the desk: choose another name"
    return ""
