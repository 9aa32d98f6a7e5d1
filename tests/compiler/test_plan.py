"""Plans: made for the questions that are asked, never stale, and bounded whatever is asked."""

import builtins
import itertools

import pytest

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import Effect, Policy, PolicySet, ScopeAny, ScopeEq
from pdp.cedar.request import Request
from pdp.cedar.response import Decision
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, Record
from pdp.compiler import plan
from pdp.compiler.plan import Plan
from pdp.compiler.program import Program, compile_policies
from pdp.compiler.rulebook import Rulebook
from pdp.compiler.rules import FEW
from pdp.evaluate.authorize import authorize

ALICE, DOC = EntityUID("User", "alice"), EntityUID("Doc", "1")
READ, WRITE, ALL = (EntityUID("Action", name) for name in ("read", "write", "all"))
NOBODY = Entities()


def policies(*texts: str) -> PolicySet:
    return PolicySet(parse_policies(Source("test.cedar", "\n".join(texts))))


def program(*texts: str, fuse_after: int = 1) -> Program:
    return Program(Rulebook(policies(*texts), fuse_after=fuse_after))


def plan_of(program: Program, request: Request, store: Entities = NOBODY) -> Plan:
    return program._plans.open(request.action, store.lookup).variant(request.principal.type, request.resource.type)


def test_no_request_makes_code_unless_it_was_told_to() -> None:
    texts = [f"permit(principal, action, resource) when {{ context.n{number} }};" for number in range(3)]
    compiled = compile_policies(policies(*texts))
    request = Request(ALICE, READ, DOC, Record({"n0": True}))
    made = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(builtins, "compile", lambda *given, **_: made.append(given))
        for _ in range(2_000):
            assert compiled.authorize(request, NOBODY).decision is Decision.ALLOW
    assert not made
    assert plan_of(compiled, request).decide is None


def test_rules_are_fused_when_they_have_been_asked_for_often() -> None:
    compiled = program("permit(principal, action, resource) when { context.ok };", fuse_after=3)
    request = Request(ALICE, READ, DOC, Record({"ok": True}))
    for asked in range(5):
        assert (plan_of(compiled, request).decide is not None) is (asked >= 3)
        assert compiled.authorize(request, NOBODY).decision is Decision.ALLOW
    # Another action is another plan.
    assert plan_of(compiled, Request(ALICE, WRITE, DOC)).decide is None


def test_too_many_rules_are_not_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"permit(principal, action, resource) when {{ context.n{number} }};" for number in range(4)]
    request = Request(ALICE, READ, DOC, Record({"n1": True}))
    for name, most, fused in (("RULES", 3, False), ("RULES", 4, True), ("TERMS", 11, False), ("TERMS", 16, True)):
        with monkeypatch.context() as patched:
            patched.setattr(plan, f"MOST_FUSED_{name}", most)
            compiled = program(*texts)
            for _ in range(3):
                assert compiled.authorize(request, NOBODY) == authorize(request, policies(*texts), NOBODY)
            assert (plan_of(compiled, request).decide is not None) is fused


def test_a_plan_follows_the_groups_that_the_store_knows() -> None:
    texts = (
        'permit(principal, action in Action::"all", resource);',
        'forbid(principal, action, resource) when { action in Action::"writing" };',
    )
    compiled = program(*texts)
    stores = [
        Entities(),
        Entities([Entity(READ, parents=frozenset([ALL]))]),
        Entities([Entity(READ, parents=frozenset([ALL, EntityUID("Action", "writing")]))]),
    ]
    for store in (*itertools.chain.from_iterable(itertools.permutations(stores)), *stores * 2):
        request = Request(ALICE, READ, DOC)
        assert compiled.authorize(request, store) == authorize(request, policies(*texts), store)


def test_types_that_policies_speak_of_have_plans_of_their_own_and_others_share_one() -> None:
    texts = (
        "permit(principal is User, action, resource);",
        "forbid(principal, action, resource) when { resource is Secret };",
        "permit(principal, action, resource) when { principal is Robot && context.ok };",
    )
    compiled = program(*texts)
    plans = {}
    for principal, resource in itertools.product(("User", "Robot", "Ghost", "Group"), ("Doc", "Secret", "Page")):
        request = Request(EntityUID(principal, "p"), READ, EntityUID(resource, "r"), Record({"ok": True}))
        for _ in range(3):
            assert compiled.authorize(request, NOBODY) == authorize(request, policies(*texts), NOBODY)
        plans[principal, resource] = plan_of(compiled, request)
    assert plans["User", "Doc"] is plans["User", "Page"] is not plans["Robot", "Doc"]
    assert plans["Ghost", "Doc"] is plans["Group", "Page"] is not plans["User", "Doc"]
    assert len(set(plans.values())) == 6


def test_plans_are_bounded_whatever_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MOST_PLANS", 16)
    texts = ("permit(principal is User, action, resource is Doc);",)
    compiled = program(*texts)
    for number in range(100):
        for principal, action, resource in (
            ("User", f"a{number}", "Doc"),
            (f"U{number}", "read", "Doc"),
            ("User", "read", f"D{number}"),
        ):
            request = Request(EntityUID(principal, "p"), EntityUID("Action", action), EntityUID(resource, "r"))
            assert compiled.authorize(request, NOBODY) == authorize(request, policies(*texts), NOBODY)
    plans = compiled._plans.by_action
    assert len(plans) <= 16
    assert max(len(each.variants or ()) for each in plans.values()) <= 16
    assert max(len(each._by_interest) for each in plans.values()) <= 4


def test_outcomes_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MOST_OUTCOMES", 8)
    texts = [f"permit(principal, action, resource) when {{ context.n{number} }};" for number in range(6)]
    compiled = program(*texts)
    for bits in range(64):
        context = Record({f"n{number}": bool(bits >> number & 1) for number in range(6)})
        request = Request(ALICE, READ, DOC, context)
        assert compiled.authorize(request, NOBODY) == authorize(request, policies(*texts), NOBODY)
        # What failed is never kept.
        request = Request(ALICE, READ, DOC, Record(dict(list(context.fields.items())[:3])))
        assert compiled.authorize(request, NOBODY) == authorize(request, policies(*texts), NOBODY)
    assert len(plan_of(compiled, request).outcomes) <= 8


def grant(number: int) -> Policy:
    return Policy(f"grant{number}", Effect.PERMIT, ScopeEq(EntityUID("User", f"u{number}")), ScopeAny(), ScopeAny())


def test_a_few_rules_that_name_an_entity_are_fused_with_the_others() -> None:
    texts = (
        "forbid(principal, action, resource) when { context.no };",
        'permit(principal is User in Group::"g", action, resource is Doc);',
        'permit(principal == User::"alice", action, resource) when { resource is Doc };',
        'permit(principal, action, resource in Doc::"1") when { context.yes };',
        'permit(principal in Group::"g", action, resource is Page);',
    )
    compiled = program(*texts)
    store = Entities([Entity(ALICE, parents=frozenset([EntityUID("Group", "g")]))])
    for principal, resource in itertools.product((ALICE, EntityUID("Robot", "r")), (DOC, EntityUID("Page", "1"))):
        for fields in ({"yes": True, "no": False}, {"yes": False, "no": True}, {}):
            request = Request(principal, READ, resource, Record(fields))
            for _ in range(3):
                answered, expected = compiled.authorize(request, store), authorize(request, policies(*texts), store)
                assert (answered.decision, answered.reasons) == (expected.decision, expected.reasons)
                assert sorted(answered.errors, key=str) == sorted(expected.errors, key=str)
        assert not plan_of(compiled, request, store).beyond


def test_many_rules_that_name_an_entity_are_left_to_the_index_and_plans_outlive_their_changes() -> None:
    book = Rulebook(policies("permit(principal, action, resource) when { context has ok };"), fuse_after=1)
    for number in range(FEW + 2):
        before = Program(book)
        book.add(grant(number))
        after = Program(book)
        # While they are few, code may have been made for them.
        assert (after._plans is before._plans) is (number > FEW)
    plans = after._plans
    for number in range(3, FEW + 2):
        book.remove(f"grant{number}")
        book.add(grant(number + 100))
        assert Program(book)._plans is plans
        request = Request(EntityUID("User", f"u{number + 100}"), READ, DOC)
        for _ in range(3):
            assert Program(book).authorize(request, NOBODY).reasons == {f"grant{number + 100}"}
    assert plans.open(READ, NOBODY.lookup).beyond
    book.remove("policy0")
    assert Program(book)._plans is not plans
