"""`signalbox orders claim`, and the options that are for what others have placed: what their words become."""

from __future__ import annotations

from typing import Any

import pytest
from signalbox.errors import ConfigurationError
from signalbox_cli.__main__ import build_parser
from signalbox_cli.claiming import run_claim


def parsed(*words: str) -> Any:
    return build_parser([words[0]]).parse_args(list(words))


@pytest.mark.parametrize(
    "words",
    [
        ("orders", "claim"),
        ("orders", "claim", "external-7"),
        ("orders", "claim", "external-7", "--strategy", "trend"),
        ("orders", "claim", "external-7", "--strategy", "trend", "--why", " "),
        ("orders", "claim", "external-7", "--strategy", " ", "--why", "mine"),
    ],
)
async def test_a_claim_says_which_whose_and_why(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="--why"):
        await run_claim(parsed(*words))


async def test_the_words_of_a_claim_go_with_a_claim() -> None:
    arguments = parsed("orders", "--strategy", "trend")
    with pytest.raises(ConfigurationError, match="orders claim"):
        await arguments.run(arguments)


async def test_external_goes_with_all() -> None:
    arguments = parsed("cancel", "o-1", "--external")
    with pytest.raises(ConfigurationError, match="--external"):
        await arguments.run(arguments)
