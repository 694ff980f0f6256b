"""`[[groups]]` of a desk file: read, and each mistake told."""

from __future__ import annotations

from pathlib import Path

import pytest
from signalbox.account_groups import AccountGroup
from signalbox.desk import load_desk
from signalbox.errors import ConfigurationError

from .test_desk import SHIPPED, TEXT, mistakes_of

SEVERAL = TEXT.replace('accounts = ["DU1234567"]', 'accounts = ["DU1", "DU2"]')
GROUP = """
[[groups]]
venue = "ibkr"
name = "growth"
accounts = ["DU2", "DU1"]
"""


def test_groups_are_read(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(SEVERAL + GROUP)
    assert load_desk(path).groups == (AccountGroup(venue="ibkr", name="growth", accounts=("DU2", "DU1")),)
    assert load_desk(SHIPPED).groups == ()


@pytest.mark.parametrize(
    ("old", "new", "beginning"),
    [
        ('venue = "ibkr"', 'venue = "ibrk"', "groups[1].venue is 'ibrk', which is not under [venues]: did you mean"),
        ('"growth"', '"a group"', "groups[1].name is 'a group': use letters"),
        ('"growth"', '""', "groups[1].name is ''"),
        ('["DU2", "DU1"]', "[]", "groups[1].accounts is empty"),
        ('["DU2", "DU1"]', '["DU2", "DU3"]', "groups[1].accounts[2] is 'DU3', no account of its venue"),
        ('["DU2", "DU1"]', '["DU2", "DU2"]', "groups[1].accounts names 'DU2' more than once"),
        ('["DU2", "DU1"]', '"DU2"', "groups[1].accounts is 'DU2': it must be an array"),
        ('name = "growth"', "", "groups[1].name is missing"),
        ('name = "growth"', 'name = "growth"\nmethod = "x"', "groups[1].method is no key"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, old: str, new: str, beginning: str) -> None:
    (told,) = mistakes_of(tmp_path / "desk.toml", SEVERAL + GROUP.replace(old, new))
    assert told.startswith(beginning)


def test_a_name_is_of_one_group_at_a_venue(tmp_path: Path) -> None:
    (told,) = mistakes_of(tmp_path / "desk.toml", SEVERAL + GROUP + GROUP)
    assert told == "groups names growth at ibkr more than once: name it once."


def test_groups_that_are_no_tables_are_told_and_end_nothing(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text("groups = [1]\n" + SEVERAL)
    with pytest.raises(ConfigurationError, match="groups"):
        load_desk(path)
