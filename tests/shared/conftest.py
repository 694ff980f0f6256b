"""What the tests of the shared library share: any instance of any message."""

from __future__ import annotations

import datetime
import decimal
import enum
import functools
import types
from collections.abc import Callable
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import strategies as st

DIGITS, PLACES = 10**28, 30
DECIMALS = st.builds(
    lambda digits, exponent: decimal.Decimal(digits).scaleb(exponent),
    st.integers(-DIGITS, DIGITS),
    st.integers(-PLACES, PLACES),
)
"""Finite ones of any size and any number of places. (`st.decimals` makes strategies for each, at most of the time.)"""

Instances = Callable[[Any], st.SearchStrategy[Any]]


@functools.cache  # each example would make the same one again, and check it again
def instances(hint: Any) -> st.SearchStrategy[Any]:
    """Any value that the type hint of a message's field allows and JSON can carry."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return instances(arguments[0])
    if origin in (Union, types.UnionType):
        return st.one_of(*map(instances, arguments))
    if origin is tuple:
        return st.lists(instances(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(instances(arguments[0]), instances(arguments[1]), max_size=3)
    if hint is Any:
        return st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text())
    if hint is datetime.datetime:
        return st.datetimes(timezones=st.just(datetime.UTC))
    if hint is decimal.Decimal:
        return DECIMALS
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is int:
        return st.integers(-(2**62), 2**62)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        hints = get_type_hints(hint, include_extras=True)
        return st.builds(hint, **{name: instances(hints[name]) for name in hint.__struct_fields__})
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(), bool: st.booleans(), bytes: st.binary(), types.NoneType: st.none()
    }  # fmt: skip
    return plain[hint]


@pytest.fixture(scope="session")
def any_of() -> Instances:
    """Strategy of all instances of a type."""
    return instances
