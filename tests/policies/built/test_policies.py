"""Policies that read their scope and conditions when they are asked: not to be told from those that were parsed."""

import dataclasses
import marshal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
from built_bundles import exactly

from pdp.cedar.policy import Policy, Slot
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.printer import print_policies
from pdp.cedar.values import EntityUID
from pdp.policies.built.policies import BuiltPolicy, lifted_policy, pack_policy, pack_written, unpack_policy

TEXT = """
@id("a") @note permit (principal == User::"a", action in [Action::"b"], resource is Doc)
when { context.x > 1 } unless { resource.y };
forbid (principal is User in ?principal, action, resource == ?resource);
"""
SOURCE = Source("test.cedar", TEXT)
STATIC, TEMPLATE = parse_policies(SOURCE)


def built(policy: Policy = STATIC) -> BuiltPolicy:
    return unpack_policy(marshal.loads(marshal.dumps(pack_policy(policy, 0), 2)), [SOURCE])


def test_it_is_equal_on_both_sides() -> None:
    for policy in (STATIC, TEMPLATE):
        assert built(policy) == policy
        assert policy == built(policy)
        assert built(policy) == built(policy)
        assert exactly(built(policy)) == exactly(policy)
    assert built(STATIC) != TEMPLATE
    assert built(TEMPLATE) != STATIC
    assert built(STATIC) != dataclasses.replace(STATIC, conditions=())
    assert built() != "a policy"


def test_what_every_load_looks_at_reads_nothing() -> None:
    policy = built(TEMPLATE)
    with patch("marshal.loads", side_effect=AssertionError):
        assert (policy.id, policy.effect, policy.annotations) == (TEMPLATE.id, TEMPLATE.effect, TEMPLATE.annotations)
        assert (policy.source, policy.span) == (SOURCE, TEMPLATE.span)
        assert policy.slots == {Slot.PRINCIPAL, Slot.RESOURCE}
        assert policy.is_template


@pytest.mark.parametrize("name", ["principal", "action", "resource", "conditions"])
def test_each_part_reads_all_of_them_once(name: str) -> None:
    policy = built()
    assert getattr(policy, name) == getattr(STATIC, name)
    with patch("marshal.loads", side_effect=AssertionError):
        assert exactly(policy) == exactly(STATIC)


@pytest.mark.parametrize(
    "use",
    [
        lambda policy: dataclasses.replace(policy, id="other"),
        lambda policy: dataclasses.replace(policy, conditions=()),
        lambda policy: dataclasses.replace(policy, principal=STATIC.principal),
        lambda policy: print_policies([policy]),
        lambda policy: policy.slots,
        lambda policy: dataclasses.replace(policy, principal=STATIC.principal, resource=STATIC.resource).slots,
        lambda policy: policy.fill("link", dict.fromkeys(policy.slots, EntityUID("User", "b"))),
    ],
)
@pytest.mark.parametrize("policy", [STATIC, TEMPLATE])
def test_what_is_made_of_it_is_what_would_be_made_of_the_other(policy: Policy, use: Callable[[Policy], object]) -> None:
    assert exactly(use(built(policy))) == exactly(use(policy))


def test_it_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        built().id = "other"  # type: ignore[misc]  # that it cannot be done is the point
    with pytest.raises(dataclasses.FrozenInstanceError):
        built().conditions = ()  # type: ignore[misc]  # the same


def test_threads_that_read_it_at_once_come_to_the_same() -> None:
    policies = [built() for _ in range(200)]
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda at: policies[at % 200].conditions, range(800)))
    assert all(conditions == STATIC.conditions for conditions in read)


def test_a_lifted_policy_has_the_rest_in_common() -> None:
    narrower = dataclasses.replace(STATIC, conditions=())
    lifted = lifted_policy(built(), pack_written(narrower))
    assert exactly(lifted) == exactly(narrower)
    assert lifted.slots == frozenset()
