"""What completes a partial request, and which partial request says more than another one."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any, Final, TypeVar

import pytest

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.request import Request
from pdp.cedar.values import EntityUID, Record, Value
from pdp.evaluate.partial import UNKNOWN_CONTEXT, PartialContext, PartialRequest, PartialRequestError, Unknown

_T = TypeVar("_T", Request, PartialRequest)

UIDS: Final = tuple(EntityUID(type, id) for type in ("A", "B") for id in ("1", "2", "3", "4"))
STORE: Final = Entities([Entity(uid) for uid in UIDS if uid.id in "12"])
"""Of each type, two entities are in the store and two are not."""

ENTITIES: Final = (*UIDS, *(Unknown(type, stored) for type in (None, "A", "B") for stored in (False, True)))
REQUEST: Final = Request(UIDS[0], UIDS[0], UIDS[0])
KNOWN: Final = PartialRequest.of(REQUEST)


def changed(thing: _T, name: str, value: Any) -> _T:
    """A request with one of its parts replaced."""
    return replace(thing, **{name: value})


def _contexts() -> Iterator[PartialContext]:
    """Every context in which each of two names is known, present, optional or not there."""
    for (x, y), others in product(product(("one", "true", "present", "optional", "no"), repeat=2), (False, True)):
        states = {"x": x, "y": y}
        known: dict[str, Value] = {name: 1 for name, state in states.items() if state == "one"}
        known |= {name: True for name, state in states.items() if state == "true"}
        present = frozenset(name for name, state in states.items() if state == "present")
        optional = frozenset(name for name, state in states.items() if state == "optional")
        yield PartialContext(Record(known), present, optional, others)


def _records() -> Iterator[Record]:
    """Every record of those names and of one that no partial context names."""
    for values in product((None, 1, True, "1"), repeat=3):
        yield Record({name: value for name, value in zip("xyz", values, strict=True) if value is not None})


CONTEXTS: Final = tuple(_contexts())
RECORDS: Final = tuple(_records())


@pytest.mark.parametrize("name", ["principal", "action", "resource"])
def test_one_admits_another_exactly_if_it_has_all_its_completions(name: str) -> None:
    partial = [changed(KNOWN, name, entity) for entity in ENTITIES]
    whole = [changed(REQUEST, name, uid) for uid in UIDS]
    completions = [{request for request in whole if each.completed_by(request, STORE)} for each in partial]
    assert [len(each) for each in completions] == [1] * len(UIDS) + [8, 4, 4, 2, 4, 2]
    for one, other in product(range(len(partial)), repeat=2):
        assert partial[one].admits(partial[other], STORE) == (completions[other] <= completions[one])


def test_and_so_do_contexts() -> None:
    partial = [replace(KNOWN, context=context) for context in CONTEXTS]
    whole = [replace(REQUEST, context=record) for record in RECORDS]
    completions = [{n for n, request in enumerate(whole) if each.completed_by(request, STORE)} for each in partial]
    assert all(completions)
    for one, other in product(range(len(partial)), repeat=2):
        assert partial[one].admits(partial[other], STORE) == (completions[other] <= completions[one])


def test_true_does_not_complete_one() -> None:
    asked = replace(KNOWN, context=PartialContext(Record({"x": 1})))
    assert asked.completed_by(replace(REQUEST, context=Record({"x": 1})), STORE)
    assert not asked.completed_by(replace(REQUEST, context=Record({"x": True})), STORE)


def test_everything_completes_what_says_nothing() -> None:
    assert PartialRequest().completed_by(REQUEST, STORE)
    assert PartialRequest().completed_by(replace(REQUEST, context=Record({"x": 1})), STORE)
    assert PartialRequest().context == UNKNOWN_CONTEXT
    assert PartialRequest().context != PartialContext()


@pytest.mark.parametrize(
    "contexts",
    [
        {"known": Record({"x": 1}), "present": frozenset("x")},
        {"known": Record({"x": 1}), "optional": frozenset("x")},
        {"present": frozenset("xy"), "optional": frozenset("x")},
    ],
)
def test_an_attribute_is_given_once(contexts: dict[str, Any]) -> None:
    with pytest.raises(PartialRequestError, match='the context has the attribute "x" twice'):
        PartialContext(**contexts)
