"""The compiler's limits: what is past a `MAX_` is refused by name, what is past a `MOST_` is decided all the same."""

from collections.abc import Callable
from typing import Final

import pytest

from pdp.cedar.entities import Entities
from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import Effect, Link, Policy, PolicySet, ScopeAny, Slot
from pdp.cedar.request import Request
from pdp.cedar.response import Decision
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, Record
from pdp.compiler import outcome, rulebook
from pdp.compiler.limits import MAX_ACTIONS, MAX_TERMS
from pdp.compiler.program import Program, compile_policies
from pdp.compiler.rulebook import Rulebook
from pdp.evaluate.authorize import authorize

ALICE, READ, DOC = EntityUID("User", "alice"), EntityUID("Action", "read"), EntityUID("Doc", "1")
STORE: Final = Entities()


def parsed(*texts: str) -> PolicySet:
    return PolicySet(parse_policies(Source("test.cedar", "\n".join(texts))))


def refused(policies: PolicySet) -> PolicySetError:
    with pytest.raises(PolicySetError) as caught:
        compile_policies(policies)
    return caught.value


def alternatives(count: int) -> str:
    """A condition of `5 * count` terms and a few."""
    return " || ".join(f'context.name == "n{number}"' for number in range(count))


def test_conditions_that_are_too_large_are_refused_with_their_place() -> None:
    error = refused(
        parsed(
            "permit(principal, action, resource);",
            f"permit(principal, action, resource) when {{ {alternatives(MAX_TERMS // 4)} }};",
        )
    )
    assert error.message.startswith("the conditions of the policy `policy1` are too large: ")
    assert error.message.endswith(f"terms, and {MAX_TERMS} is the limit")
    assert error.position is not None
    assert error.position.line == 2


def test_a_set_of_constants_is_never_too_large() -> None:
    users = ", ".join(f'User::"u{number}"' for number in range(MAX_TERMS + 1))
    program = compile_policies(parsed(f"permit(principal, action, resource) when {{ principal in [{users}] }};"))
    for name, decision in (("u7", Decision.ALLOW), ("alice", Decision.DENY)):
        assert program.authorize(Request(EntityUID("User", name), READ, DOC), STORE).decision is decision


def naming_actions(count: int) -> PolicySet:
    actions = ", ".join(f'Action::"a{number}"' for number in range(count))
    return parsed(f"permit(principal, action in [{actions}], resource);")


def test_a_scope_that_names_too_many_actions_is_refused_with_its_place() -> None:
    error = refused(naming_actions(MAX_ACTIONS + 1))
    assert error.message == f"the policy `policy0` names {MAX_ACTIONS + 1} actions, and {MAX_ACTIONS} is the limit"
    assert error.position is not None
    program = compile_policies(naming_actions(MAX_ACTIONS))
    for name, decision in ((f"a{MAX_ACTIONS - 1}", Decision.ALLOW), (f"a{MAX_ACTIONS}", Decision.DENY)):
        assert program.authorize(Request(ALICE, EntityUID("Action", name), DOC), STORE).decision is decision


def test_a_rulebook_that_is_full_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "MAX_RULES", 3)
    template = next(iter(parsed("permit(principal == ?principal, action, resource);").templates.values()))
    book = Rulebook(PolicySet([template], [Link(name, template.id, {Slot.PRINCIPAL: ALICE}) for name in "abc"]))
    late = Policy("late", Effect.FORBID, ScopeAny(), ScopeAny(), ScopeAny())
    one_more: tuple[Callable[[], None], ...] = (
        lambda: book.link(Link("d", template.id, {Slot.PRINCIPAL: ALICE})),
        lambda: book.add(late),
    )
    for add in one_more:
        with pytest.raises(PolicySetError, match="is one too many: 3 policies and links is the limit"):
            add()
    assert len(book) == 3
    assert Program(book).authorize(Request(ALICE, READ, DOC), STORE).reasons == {"a", "b", "c"}
    book.remove("a")
    book.add(late)
    assert Program(book).authorize(Request(ALICE, READ, DOC), STORE).reasons == {"late"}


def test_responses_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "MOST_RESPONSES", 4)
    texts = [
        f"{effect}(principal, action, resource) when {{ context.n{number} }};"
        for number, effect in enumerate(["permit", "permit", "permit", "permit", "forbid", "forbid"])
    ]
    policies = parsed(*texts)
    book = Rulebook(policies)
    program = Program(book)
    for bits in range(64):
        context = Record({f"n{number}": bool(bits >> number & 1) for number in range(6)})
        request = Request(ALICE, READ, DOC, context)
        assert program.authorize(request, STORE) == authorize(request, policies, STORE)
        assert len(book.responses._allowing) <= 4
        assert len(book.responses._denying) <= 4
