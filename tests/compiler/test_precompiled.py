"""What compiling comes to before linking, and rulebooks that are made of it."""

import pytest
from hypothesis import given
from strategies import World, worlds

from pdp.cedar.errors import PolicySetError
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.compiler.link import Linker
from pdp.compiler.precompiled import precompile
from pdp.compiler.program import Program, compile_policies
from pdp.compiler.rulebook import Rulebook

STATIC, LIFTED, TEMPLATE, ALWAYS = parse_policies(
    Source(
        "test",
        """
        permit (principal == User::"a", action, resource) when { context.n == 1 };
        permit (principal, action, resource) when { principal in Group::"g" && context.n == 2 };
        permit (principal == ?principal, action, resource in ?resource) when { context.n == 3 };
        forbid (principal, action == Action::"x", resource);
        """,
    )
)


def test_each_part() -> None:
    linker = Linker()
    static, lifted, template, always = (precompile(policy, linker) for policy in (STATIC, LIFTED, TEMPLATE, ALWAYS))
    assert static.compiled is static.policy is STATIC
    assert static.code is lifted.code is template.code, "they differ in a constant"
    assert [1 in each.constants for each in (static, lifted)] == [True, False]
    assert lifted.policy is LIFTED
    assert lifted.compiled is not LIFTED
    assert (lifted.principal.entity, lifted.principal.exact) == (("Group", "g"), False)
    assert (always.code, always.constants) == (None, ())
    assert always.action == ALWAYS.action
    assert [each.is_template for each in (static, lifted, template, always)] == [False, False, True, False]


@given(worlds())
def test_a_rulebook_made_of_it_answers_alike(world: World) -> None:
    linker = Linker()
    book = Rulebook(linker=Linker())
    for policy in (*world.policies.static.values(), *world.policies.templates.values()):
        book.take(precompile(policy, linker))
    for link in world.policies.links.values():
        book.link(link)
    made, usual = Program(book), compile_policies(world.policies)
    for request in world.requests:
        ours, theirs = made.authorize(request, world.entities), usual.authorize(request, world.entities)
        assert (ours.decision, ours.reasons) == (theirs.decision, theirs.reasons)
        assert sorted(ours.errors, key=str) == sorted(theirs.errors, key=str)


def test_an_id_is_taken_once() -> None:
    book = Rulebook()
    book.take(precompile(STATIC, book.linker))
    with pytest.raises(PolicySetError, match="duplicate policy id `policy0`"):
        book.take(precompile(STATIC, book.linker))


def test_rulebooks_may_share_the_code_that_one_has_made() -> None:
    first = Rulebook()
    first.add(STATIC)
    second = Rulebook(linker=first.linker)
    second.add(LIFTED)
    assert first.linker.shapes == second.linker.shapes == 1
