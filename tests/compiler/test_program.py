"""The compiled policy set: combination, skipping, explanation, what conditions read, and sharing between links."""

import itertools
import traceback

import pytest

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import ErrorKind
from pdp.cedar.policy import Link, PolicySet, Slot
from pdp.cedar.request import Request
from pdp.cedar.response import Decision
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, Record, Value
from pdp.compiler.program import Program, compile_policies
from pdp.compiler.rulebook import Rulebook
from pdp.evaluate.authorize import authorize

ALICE, READ, DOC = EntityUID("User", "alice"), EntityUID("Action", "read"), EntityUID("Doc", "1")
ASK = Request(ALICE, READ, DOC, Record({"n": 1}))
PERMIT = "permit(principal, action, resource);"
FORBID = "forbid(principal, action, resource);"
UNFIT = 'forbid(principal == User::"bob", action, resource) when { context.missing };'
ERRING_PERMIT = "permit(principal, action, resource) when { context.missing };"
ERRING_FORBID = "forbid(principal, action, resource) when { context.n };"
TEMPLATE = "permit(principal == ?principal, action, resource in ?resource) when { context.n == 1 };"


def program(*texts: str, links: tuple[Link, ...] = ()) -> Program:
    return compile_policies(policy_set(*texts, links=links))


def policy_set(*texts: str, links: tuple[Link, ...] = ()) -> PolicySet:
    return PolicySet(parse_policies(Source("test.cedar", "\n".join(texts))), links)


def test_every_combination_of_outcomes_is_the_interpreters() -> None:
    texts = (PERMIT, FORBID, UNFIT, ERRING_PERMIT, ERRING_FORBID, PERMIT)
    for size in range(len(texts) + 1):
        for chosen in itertools.combinations(texts, size):
            policies = policy_set(*chosen)
            assert compile_policies(policies).authorize(ASK, Entities()) == authorize(ASK, policies, Entities())


def test_diagnostics_are_complete_even_when_the_decision_is_clear() -> None:
    response = program(FORBID, FORBID, ERRING_PERMIT, ERRING_FORBID, PERMIT).authorize(ASK, Entities())
    assert response.decision is Decision.DENY
    assert response.reasons == {"policy0", "policy1"}
    assert [(error.policy_id, error.kind) for error in response.errors] == [
        ("policy2", ErrorKind.ATTRIBUTE_MISSING),
        ("policy3", ErrorKind.TYPE),
    ]


def test_skipped_policies_neither_decide_nor_fail() -> None:
    compiled = program(PERMIT, FORBID, ERRING_FORBID)
    response = compiled.authorize(ASK, Entities(), frozenset(("policy1", "policy2", "unknown")))
    assert (response.decision, response.reasons, response.errors) == (Decision.ALLOW, frozenset(("policy0",)), ())
    assert compiled.authorize(ASK, Entities()).decision is Decision.DENY


def links(count: int) -> tuple[Link, ...]:
    folder = EntityUID("Folder", "f")
    return tuple(
        Link(f"grant{i}", "policy0", {Slot.PRINCIPAL: EntityUID("User", f"u{i}"), Slot.RESOURCE: folder})
        for i in range(count)
    )


def test_linking_a_template_creates_no_code() -> None:
    none, many = program(TEMPLATE, PERMIT), program(TEMPLATE, PERMIT, links=links(500))
    assert none.shapes == many.shapes == 1


def test_a_link_decides_under_its_own_id_and_a_template_never() -> None:
    compiled = program(TEMPLATE, links=links(3))
    store = Entities([Entity(DOC, parents=frozenset((EntityUID("Folder", "f"),)))])
    response = compiled.authorize(Request(EntityUID("User", "u1"), READ, DOC, ASK.context), store)
    assert (response.decision, response.reasons) == (Decision.ALLOW, frozenset(("grant1",)))
    assert compiled.authorize(Request(EntityUID("User", "u1"), READ, DOC, ASK.context), Entities()).reasons == set()
    assert compiled.policy("grant1").principal == parse_link_scope()
    with pytest.raises(KeyError):
        compiled.policy("policy0")


def parse_link_scope() -> object:
    (policy,) = parse_policies(Source("x", 'permit(principal == User::"u1", action, resource);'))
    return policy.principal


def test_candidates_are_the_policies_whose_scope_matches() -> None:
    compiled = program(PERMIT, UNFIT, 'permit(principal, action == Action::"write", resource);', ERRING_PERMIT)
    assert sorted(compiled.candidates(ASK, Entities())) == ["policy0", "policy3"]


def test_equal_answers_are_one_object() -> None:
    compiled = program(PERMIT, PERMIT)
    assert compiled.authorize(ASK, Entities()) is compiled.authorize(ASK, Entities())


def test_a_response_with_errors_names_them_in_order_of_ids() -> None:
    compiled = program(*[ERRING_PERMIT] * 9)
    assert [error.policy_id for error in compiled.authorize(ASK, Entities()).errors] == [f"policy{i}" for i in range(9)]


@pytest.mark.parametrize(
    ("condition", "read"),
    [
        ("context.now == 1", True),
        ("context has now", True),
        ("context has now.x", True),
        ("context.other.now == 1", False),
        ("context has other.now", False),
        ("principal.now == context.other", False),
        ('principal.getTag("now") == 1', False),
        ("if context.other then {a: [context.now]}.a.isEmpty() else false", True),
        ("context == {}", True),
        ("false && context.now", True),
        ("true", False),
    ],
)
def test_what_a_policy_may_read_of_the_context(condition: str, read: bool) -> None:
    for clause in ("when", "unless"):
        compiled = program(f"permit(principal, action, resource) {clause} {{ {condition} }};")
        assert compiled.reads_context("policy0", "now") is read


def test_an_unknown_policy_reads_nothing_and_says_so() -> None:
    with pytest.raises(KeyError):
        program(PERMIT).reads_context("policy7", "now")


def test_a_defect_shows_the_policys_own_file_and_line() -> None:
    class Broken(dict[str, Value]):
        def __contains__(self, name: object) -> bool:
            raise ZeroDivisionError

    texts = [f"permit(principal, action, resource)\nwhen {{ principal.n{i} == 1 }};" for i in range(2)]
    compiled = Program(Rulebook(policy_set(*texts), fuse_after=2))
    store = Entities([Entity(ALICE, Broken())])
    for _ in range(4):  # twice one by one and twice fused
        for skip, line in ((frozenset(("policy0",)), 4), (frozenset(("policy1",)), 2)):
            with pytest.raises(ZeroDivisionError) as caught:
                compiled.authorize(ASK, store, skip)
            (frame,) = [frame for frame in traceback.extract_tb(caught.tb) if frame.filename == "test.cedar"]
            assert frame.lineno == line


def test_a_defect_of_fused_code_alone_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = Program(Rulebook(policy_set(PERMIT, ERRING_PERMIT), fuse_after=1))
    expected = compiled.authorize(ASK, Entities())

    def broken(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(compiled._by_action[ASK.action], "decide", broken)
    assert compiled.authorize(ASK, Entities()) == expected
