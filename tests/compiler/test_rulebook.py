"""The rulebook: what it takes and refuses, that views do not change, and that what has ended is let go."""

import gc
import itertools
import sys
import threading
from typing import Final

import pytest

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import Link, Policy, PolicySet, Slot
from pdp.cedar.request import Request
from pdp.cedar.response import Decision
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID
from pdp.compiler import rulebook
from pdp.compiler.program import Program
from pdp.compiler.rulebook import Rulebook

ALICE, READ, DOC = EntityUID("User", "alice"), EntityUID("Action", "read"), EntityUID("Doc", "1")
TEAM, FOLDER = EntityUID("Team", "t"), EntityUID("Folder", "f")
STORE: Final = Entities([Entity(ALICE, parents=frozenset([TEAM])), Entity(DOC, parents=frozenset([FOLDER]))])
ASK = Request(ALICE, READ, DOC)
VALUES = {Slot.PRINCIPAL: TEAM, Slot.RESOURCE: FOLDER}


def policy(text: str, policy_id: str = "p") -> Policy:
    (parsed,) = parse_policies(Source("test.cedar", text))
    return Policy(policy_id, parsed.effect, parsed.principal, parsed.action, parsed.resource, parsed.conditions)


TEMPLATE = policy("permit(principal in ?principal, action, resource in ?resource);", "template")
PERMIT = policy("permit(principal, action, resource);", "permit")
FORBID = policy('forbid(principal, action == Action::"read", resource in Folder::"f");', "forbid")


def ask(program: Program) -> tuple[Decision, list[str]]:
    response = program.authorize(ASK, STORE)
    return response.decision, sorted(response.reasons)


def test_what_is_added_counts_from_the_next_view_on() -> None:
    book = Rulebook()
    programs = [Program(book)]
    for each in (PERMIT, FORBID):
        book.add(each)
        programs.append(Program(book))
    assert [ask(program) for program in programs] == [
        (Decision.DENY, []),
        (Decision.ALLOW, ["permit"]),
        (Decision.DENY, ["forbid"]),
    ]


def test_what_is_removed_is_still_there_for_the_views_before() -> None:
    book = Rulebook(PolicySet([PERMIT, FORBID, TEMPLATE], [Link("grant", "template", VALUES)]))
    whole = Program(book)
    book.remove("forbid")
    without_forbid = Program(book)
    book.remove("permit")
    without_permit = Program(book)
    book.remove("grant")
    empty = Program(book)
    for program, expected in (
        (whole, (Decision.DENY, ["forbid"])),
        (without_forbid, (Decision.ALLOW, ["grant", "permit"])),
        (without_permit, (Decision.ALLOW, ["grant"])),
        (empty, (Decision.DENY, [])),
    ):
        assert ask(program) == expected
    assert whole.policy("forbid") == FORBID
    with pytest.raises(KeyError):
        without_forbid.policy("forbid")


def test_an_id_may_be_used_again_and_each_view_knows_its_own() -> None:
    book = Rulebook(PolicySet([policy("permit(principal, action, resource);")]))
    first = Program(book)
    book.remove("p")
    book.add(policy("forbid(principal, action, resource);"))
    second = Program(book)
    book.remove("p")
    book.add(policy('permit(principal in Team::"t", action, resource);'))
    third = Program(book)
    assert [ask(each) for each in (first, second, third)] == [
        (Decision.ALLOW, ["p"]),
        (Decision.DENY, ["p"]),
        (Decision.ALLOW, ["p"]),
    ]
    assert len({str(each.policy("p")) for each in (first, second, third)}) == 3


def test_a_rule_that_came_and_went_between_two_views_is_seen_by_none() -> None:
    book = Rulebook()
    before = Program(book)
    book.add(PERMIT)
    book.remove("permit")
    assert ask(before) == ask(Program(book)) == (Decision.DENY, [])


def test_views_of_one_version_are_one() -> None:
    book = Rulebook(PolicySet([PERMIT]))
    view = book.view()
    assert book.view() is view
    book.add(FORBID)
    assert book.view() is not view


def test_a_link_shares_what_its_template_is() -> None:
    book = Rulebook(PolicySet([TEMPLATE]))
    for number in range(3):
        book.link(Link(f"grant{number}", "template", VALUES))
    view = book.view()
    rules = [book.rule(f"grant{number}", view.version) for number in range(3)]
    assert len({rule.body for rule in rules}) == 1
    assert len({id(rule.principal) for rule in rules}) == 1
    assert rules[1].policy() == TEMPLATE.fill("grant1", VALUES)
    assert len(book) == 3


def test_policies_that_were_made_for_links_are_kept_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "MOST_POLICIES", 3)
    book = Rulebook(PolicySet([TEMPLATE, PERMIT], [Link(f"grant{n}", "template", VALUES) for n in range(5)]))
    program = Program(book)
    for policy_id in ("grant0", "permit", "grant1", "grant2", "grant3", "grant4", "grant0"):
        assert program.policy(policy_id).id == policy_id
        assert program.policy(policy_id) is program.policy(policy_id)
        assert len(book._policies) <= 3


@pytest.mark.parametrize("taken", ["permit", "template", "grant"])
def test_an_id_that_is_taken_is_refused(taken: str) -> None:
    book = Rulebook(PolicySet([PERMIT, TEMPLATE], [Link("grant", "template", VALUES)]))
    with pytest.raises(PolicySetError, match=f"duplicate policy id `{taken}`"):
        book.add(policy("permit(principal, action, resource);", taken))
    with pytest.raises(PolicySetError, match=f"duplicate policy id `{taken}`"):
        book.link(Link(taken, "template", VALUES))
    assert len(book) == 2


@pytest.mark.parametrize(
    ("link", "message"),
    [
        (Link("l", "permit", VALUES), "link `l` names the template `permit`, which is not there"),
        (Link("l", "nothing", VALUES), "link `l` names the template `nothing`, which is not there"),
        (Link("l", "template", {Slot.PRINCIPAL: ALICE}), "link `l` does not fit template `template`"),
    ],
)
def test_a_link_that_does_not_fit_is_refused(link: Link, message: str) -> None:
    book = Rulebook(PolicySet([PERMIT, TEMPLATE]))
    with pytest.raises(PolicySetError, match=message):
        book.link(link)
    assert len(book) == 1


def test_a_template_goes_after_its_links() -> None:
    book = Rulebook(PolicySet([TEMPLATE], [Link("a", "template", VALUES), Link("b", "template", VALUES)]))
    with pytest.raises(PolicySetError, match="has 2 links"):
        book.remove("template")
    book.remove("a")
    book.remove("b")
    book.remove("template")
    with pytest.raises(PolicySetError, match="no policy `template`"):
        book.remove("template")
    with pytest.raises(PolicySetError, match="which is not there"):
        book.link(Link("c", "template", VALUES))
    book.add(TEMPLATE)
    book.link(Link("a", "template", VALUES))
    assert ask(Program(book)) == (Decision.ALLOW, ["a"])


def test_what_has_ended_is_let_go_when_no_view_can_see_it() -> None:
    book = Rulebook(PolicySet([TEMPLATE]))
    old = Program(book)
    for number in range(100):
        book.link(Link(f"grant{number}", "template", VALUES))
        book.remove(f"grant{number}")
    assert len(book._ended) == 100
    assert ask(old) == (Decision.DENY, [])
    del old
    gc.collect()
    for number in range(100):
        book.link(Link(f"grant{number}", "template", VALUES))
        book.remove(f"grant{number}")
    assert len(book._ended) <= 8
    assert len(book._former) <= 8


def test_a_rulebook_that_was_emptied_keeps_nothing() -> None:
    book = Rulebook()
    policies = [PERMIT, FORBID, TEMPLATE, policy("permit(principal, action, resource) when { principal is User };")]
    for _ in range(3):
        for each in policies:
            book.add(each)
        book.link(Link("grant", "template", VALUES))
        for policy_id in ("permit", "forbid", "p", "grant", "template"):
            book.remove(policy_id)
    # Each change takes out a few of those that ended; what it ends itself waits for the next.
    for _ in range(5):
        book.add(PERMIT)
        book.remove("permit")
    assert len(book) == 0
    assert not book._templates
    assert len(book._former) == len(book._ended) <= 1
    assert len(book._chapters._by_scope) <= 1
    assert not book._lifted


def test_readers_see_whole_versions_while_a_writer_changes_them() -> None:
    # Each version holds one grant of a pair or the other, never both and never neither.
    book = Rulebook(PolicySet([TEMPLATE], [Link("a", "template", VALUES)]), fuse_after=3)
    current = [Program(book)]
    done = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not done.is_set():
            program = current[0]
            first, second = ask(program), ask(program)
            if first != second or first[0] is not Decision.ALLOW or len(first[1]) != 1:
                wrong.append((first, second))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for here, there in itertools.islice(itertools.cycle((("a", "b"), ("b", "a"))), 1_500):
            book.link(Link(there, "template", VALUES))
            book.remove(here)
            current[0] = Program(book)
    finally:
        sys.setswitchinterval(interval)
        done.set()
        for reader in readers:
            reader.join()
    assert not wrong
