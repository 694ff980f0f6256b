"""What the tests of the shared gateway stand on: a house whose reports are stored as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from .test_submission import House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    storing = asyncio.create_task(made.outbox.run())
    yield made
    storing.cancel()
    await asyncio.gather(storing, return_exceptions=True)
