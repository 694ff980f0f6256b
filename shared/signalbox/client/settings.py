"""What a program that names no desk takes from its environment. Nothing else of this package reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping


def environment(url: str, user: str, password: str) -> Mapping[str, str]:
    """The environment, as if it said what is named here; "" = as it says."""
    named = {"SIGNALBOX_NATS_URL": url, "SIGNALBOX_NATS_USER": user, "SIGNALBOX_NATS_PASSWORD": password}
    return {**os.environ, **{name: text for name, text in named.items() if text}}
