"""Policies, templates, links, and sets of them under one space of ids."""

import pytest

from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import (
    Effect,
    Link,
    Policy,
    PolicySet,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
    scope_entity,
)
from pdp.cedar.source import Source, Span
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID

ALICE, FOLDER = EntityUID("User", "alice"), EntityUID("Folder", "f")
BOTH = {Slot.PRINCIPAL: ALICE, Slot.RESOURCE: FOLDER}


def policy(id: str, principal: Scope | None = None, resource: Scope | None = None) -> Policy:
    return Policy(id, Effect.PERMIT, principal or ScopeAny(), ScopeAny(), resource or ScopeAny())


STATIC = policy("static", ScopeEq(ALICE))
TEMPLATE = policy("template", ScopeEq(Slot.PRINCIPAL), ScopeIsIn("Folder", Slot.RESOURCE))
HALF = policy("half", resource=ScopeIn(Slot.RESOURCE))


def test_slots_make_a_template() -> None:
    assert STATIC.slots == frozenset()
    assert not STATIC.is_template
    assert TEMPLATE.slots == {Slot.PRINCIPAL, Slot.RESOURCE}
    assert HALF.slots == {Slot.RESOURCE}
    assert HALF.is_template


def test_the_entity_of_a_scope() -> None:
    assert scope_entity(ScopeAny()) is None
    assert scope_entity(ScopeIs("T")) is None
    for scope in (ScopeEq(ALICE), ScopeIn(ALICE), ScopeIsIn("T", ALICE)):
        assert scope_entity(scope) == ALICE


def test_filling_a_template() -> None:
    filled = TEMPLATE.fill("link", BOTH)
    assert filled == policy("link", ScopeEq(ALICE), ScopeIsIn("Folder", FOLDER))
    assert not filled.is_template
    assert HALF.fill("link", {Slot.RESOURCE: FOLDER}) == policy("link", resource=ScopeIn(FOLDER))
    assert STATIC.fill("copy", {}) == policy("copy", ScopeEq(ALICE))
    assert TEMPLATE.is_template, "the template stays as it was"


@pytest.mark.parametrize(
    ("template", "values", "given", "wanted"),
    [
        (TEMPLATE, {}, "none", "?principal, ?resource"),
        (TEMPLATE, {Slot.PRINCIPAL: ALICE}, "?principal", "?principal, ?resource"),
        (HALF, BOTH, "?principal, ?resource", "?resource"),
        (HALF, {Slot.PRINCIPAL: ALICE}, "?principal", "?resource"),
        (STATIC, {Slot.PRINCIPAL: ALICE}, "?principal", "no slot"),
    ],
)
def test_values_must_fill_exactly_the_slots(
    template: Policy, values: dict[Slot, EntityUID], given: str, wanted: str
) -> None:
    with pytest.raises(PolicySetError) as caught:
        template.fill("link", values)
    assert caught.value.message == f"link `link` does not fit template `{template.id}`: it gives {given}"
    assert caught.value.help == f"fill exactly {wanted}"


def test_a_set_tells_static_policies_from_templates() -> None:
    links = [Link("a", "template", BOTH), Link("b", "half", {Slot.RESOURCE: FOLDER}), Link("c", "template", BOTH)]
    policies = PolicySet([STATIC, TEMPLATE, HALF], links)
    assert list(policies.static) == ["static"]
    assert list(policies.templates) == ["template", "half"]
    assert list(policies.links) == ["a", "b", "c"]
    assert len(policies) == 6
    assert [each.id for each in policies.linked()] == ["static", "a", "b", "c"]
    assert not any(each.is_template for each in policies.linked())
    assert [each.id for each in PolicySet([TEMPLATE]).linked()] == []


def test_sets_are_equal_by_their_contents() -> None:
    links = [Link("a", "template", BOTH)]
    assert PolicySet([STATIC, TEMPLATE], links) == PolicySet([TEMPLATE, STATIC], links)
    assert PolicySet([STATIC, TEMPLATE]) != PolicySet([STATIC, TEMPLATE], links)
    assert PolicySet([STATIC]) != PolicySet([policy("static")])
    assert PolicySet() != 1
    with pytest.raises(TypeError):
        hash(PolicySet())


def test_one_id_is_used_once_among_policies_templates_and_links() -> None:
    other = policy("template", ScopeEq(ALICE))
    for policies in ([STATIC, STATIC], [TEMPLATE, TEMPLATE], [TEMPLATE, other], [other, TEMPLATE]):
        with pytest.raises(PolicySetError, match=f"duplicate policy id `{policies[0].id}`"):
            PolicySet(policies)
    for taken in ("static", "template", "a"):
        with pytest.raises(PolicySetError, match=f"duplicate policy id `{taken}`"):
            PolicySet([STATIC, TEMPLATE], [Link("a", "template", BOTH), Link(taken, "template", BOTH)])


def test_a_duplicate_is_shown_with_the_place_of_both() -> None:
    first = parse_policies(Source("one.cedar", "\n\npermit(principal, action, resource);"))
    second = parse_policies(Source("two.cedar", " forbid(principal, action, resource);"))
    with pytest.raises(PolicySetError) as caught:
        PolicySet([*first, *second])
    assert caught.value.render() == (
        "two.cedar:1:2: duplicate policy id `policy0`\n"
        "  |\n"
        "1 |  forbid(principal, action, resource);\n"
        "  |  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  help: give each policy its own id; it is first used at one.cedar:3"
    )


@pytest.mark.parametrize(
    ("template_id", "known"),
    [("static", "a policy without slots"), ("a", "not in the policy set"), ("x", "not in the policy set")],
)
def test_a_link_needs_a_template(template_id: str, known: str) -> None:
    with pytest.raises(PolicySetError, match=f"names the template `{template_id}`, which is {known}"):
        PolicySet([STATIC, TEMPLATE], [Link("a", "template", BOTH), Link("b", template_id, BOTH)])


def test_a_link_must_fit_when_it_is_added_and_not_when_it_is_used() -> None:
    with pytest.raises(PolicySetError, match="does not fit template"):
        PolicySet([TEMPLATE], [Link("a", "template", {})])


def test_places_and_texts_take_no_part_in_equality() -> None:
    placed = Policy(
        "static", Effect.PERMIT, ScopeEq(ALICE), ScopeAny(), ScopeAny(), source=Source("a", "b"), span=Span(0, 1)
    )
    assert placed == STATIC
