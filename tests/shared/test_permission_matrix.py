"""Who may do what, asked of a real server: what docs/nats-permissions.md says, and what nobody may ever."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from signalbox.accounts import BOOTSTRAP


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("permission_matrix", Path(__file__).with_name("permission_matrix.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["permission_matrix"] = module
    spec.loader.exec_module(module)
    return module


matrix = _module()


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async def asked() -> Any:
        binary = str(Path(sys.executable).parent / "nats-server")
        async with matrix.court(tmp_path_factory.mktemp("court"), binary) as found:
            return await matrix.try_all(found)

    return asyncio.run(asked())


def test_the_document_is_what_the_server_does(cells: Any) -> None:
    assert matrix.document(cells) == matrix.DOCUMENT.read_text(), "it changed: look whether it should, then `make docs`"


def test_no_answer_can_be_sent_where_one_may_not_publish(cells: Any) -> None:
    """Whatever is asked of the server, JetStream or a service, and whatever reply subject is named."""
    assert [(subject, name) for (subject, name), may in cells.items() if "r" in may and name != BOOTSTRAP] == []


def test_what_is_acted_upon_has_one_who_says_it(cells: Any) -> None:
    """No other account, and no person, reaches the subjects of decisions, commands, orders, reports and the ledger."""
    only = {"decision": {"risk"}, "command": {"oms"}, "order": {"oms"}, "report": {"gateway"}, "ledger": {"gateway"}}
    for (subject, name), may in cells.items():
        word = subject.split(".")[0]
        if "p" in may and word in only:
            assert name.split("-")[0] in only[word], f"{name} reaches {subject}"
    people = set(matrix.NAMES.values())
    for (subject, name), may in cells.items():
        if "p" in may and subject.startswith(("intent.", "$KV.CONTROL", "query.")) and name != BOOTSTRAP:
            others = people | {matrix.OTHER}
            assert name in people, f"{name} reaches {subject}"
            assert not (set(subject.split(".")) & (others - {name})), f"{name} reaches {subject}"
