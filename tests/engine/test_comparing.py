"""What changed between two worlds: each kind of change alone, named by who is affected, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from caching_worlds import DEVICES, DOCS, GROUPS, HOUR, MINUTE, NOW, ORGS, USERS, Model, a_model

from pdp.context.facts import Grant
from pdp.engine.changes import EVERYTHING, Change
from pdp.engine.comparing import between

ANA, BOB, EVE = USERS
READERS, STAFF, EVERYBODY = GROUPS


def grant(holder: object = ANA, **changes: object) -> Grant:
    made = Grant("grant/1", "t/reader", ANA, DOCS[0], "owner", "reason", NOW - HOUR, NOW + HOUR)
    return replace(made, principal=holder, **changes)  # type: ignore[arg-type]  # tests name fields as they are


CASES: dict[str, tuple[Callable[[Model], object], Change]] = {
    "nothing": (lambda model: None, Change()),
    "an attribute": (lambda model: model.attrs[ANA].update(level=4), Change(entities=frozenset([ANA]))),
    "an attribute, from 1 to true": (
        lambda model: model.attrs[ANA].update(level=True),
        Change(entities=frozenset([ANA])),
    ),
    "a new entity": (lambda model: model.attrs.update({EVE: {}}), Change(entities=frozenset([EVE]))),
    "an entity less": (lambda model: model.attrs.pop(ORGS[1]), Change(entities=frozenset([ORGS[1]]))),
    "a tag": (lambda model: model.tags.update({ANA: {"rank": 4}}), Change(entities=frozenset([ANA]))),
    "a parent": (lambda model: model.parents.update({BOB: frozenset([STAFF])}), Change(entities=frozenset([BOB]))),
    "a parent of a group": (
        lambda model: model.parents.update({STAFF: frozenset([EVERYBODY])}),
        Change(entities=frozenset([STAFF, READERS, ANA])),
    ),
    "a group in the middle less": (
        lambda model: model.attrs.pop(READERS),
        Change(entities=frozenset([READERS, ANA])),
    ),
    "posture of other content": (
        lambda model: model.posture.update({DEVICES[0]: (NOW - MINUTE, {"encrypted": False})}),
        Change(posture=frozenset([DEVICES[0]])),
    ),
    "posture of another time": (
        lambda model: model.posture.update({DEVICES[0]: (NOW, {"encrypted": True})}),
        Change(posture=frozenset([DEVICES[0]])),
    ),
    "posture gone": (lambda model: model.posture.pop(BOB), Change(posture=frozenset([BOB]))),
    "posture come": (lambda model: model.posture.update({ANA: (NOW, {})}), Change(posture=frozenset([ANA]))),
    "a new grant": (
        lambda model: model.grants.update(other=grant(STAFF, id="grant/2")),
        Change(grants=frozenset([STAFF])),
    ),
    "a grant less": (lambda model: model.grants.pop("first"), Change(grants=frozenset([ANA]))),
    "a grant of another time": (
        lambda model: model.grants.update(first=grant(expires_at=NOW)),
        Change(grants=frozenset([ANA])),
    ),
    "a grant of another template": (
        lambda model: model.grants.update(first=grant(template_id="t/writer")),
        Change(grants=frozenset([ANA])),
    ),
    "a grant of somebody else": (
        lambda model: model.grants.update(first=grant(BOB)),
        Change(grants=frozenset([ANA, BOB])),
    ),
    "a policy less": (lambda model: setattr(model, "without", frozenset(["p/group"])), EVERYTHING),
    "a template less": (lambda model: setattr(model, "without", frozenset(["t/writer"])), EVERYTHING),
    "another revision of the policies": (lambda model: setattr(model, "bundle_revision", 2), EVERYTHING),
}


@pytest.mark.parametrize("name", CASES)
def test_a_change_names_who_is_affected(name: str) -> None:
    change, expected = CASES[name]
    model = a_model()
    model.grants["first"] = grant()
    old = model.world()
    change(model)
    assert between(old, model.world()) == expected


def test_from_nothing_everything_changes() -> None:
    assert between(None, a_model().world()) == EVERYTHING
