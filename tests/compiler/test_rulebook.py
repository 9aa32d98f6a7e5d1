"""The rulebook: what it takes and refuses, that views do not change, and that what has ended is let go."""

import gc
import itertools
import sys
import threading
from dataclasses import replace
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
from pdp.compiler.rules import FEW

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


@pytest.mark.parametrize("fuse_after", [None, 1])
def test_each_change_counts_though_code_was_made_before_it(fuse_after: int | None) -> None:
    # Whatever comes or goes, of the rules that every request looks at, of a few that name an entity, and of many.
    narrow = policy('forbid(principal in Team::"t", action, resource);', "narrow")
    for number in (0, FEW - 1, FEW, FEW + 1):
        grants = [Link(f"grant{n}", "template", VALUES) for n in range(number)]
        book = Rulebook(PolicySet([TEMPLATE, PERMIT], grants), fuse_after=fuse_after)
        before = {"permit", *(grant.id for grant in grants)}
        for each in (FORBID, narrow):
            for _ in range(3):
                program = Program(book)
                assert [set(ask(program)[1]) for _ in range(2)] == [before] * 2
                book.add(each)
                program = Program(book)
                assert [ask(program) for _ in range(2)] == [(Decision.DENY, [each.id])] * 2
                book.remove(each.id)
        for grant in grants:
            assert set(ask(Program(book))[1]) == before
            book.remove(grant.id)
            before.remove(grant.id)
        assert set(ask(Program(book))[1]) == {"permit"}


def test_what_has_ended_is_let_go_when_no_view_can_see_it() -> None:
    grants = [Link(f"grant{number}", "template", VALUES) for number in range(100)]
    book = Rulebook(PolicySet([TEMPLATE], grants))
    old = Program(book)
    for grant in grants:
        book.remove(grant.id)
    assert len(book._ended) == len(book._former) == 100
    assert ask(old) == (Decision.ALLOW, sorted(grant.id for grant in grants))
    del old
    gc.collect()
    for grant in grants:
        book.link(grant)
        book.remove(grant.id)
    assert len(book._ended) <= 8
    assert len(book._former) <= 8


def test_an_old_view_keeps_only_what_it_can_see() -> None:
    # A view that lives on, as a slow request's would, must not keep all that came and went after it.
    book = Rulebook(PolicySet([TEMPLATE], [Link(f"grant{number}", "template", VALUES) for number in range(20)]))
    old = Program(book)
    for number in range(20):
        book.remove(f"grant{number}")
    for _ in range(500):
        book.link(Link("again", "template", VALUES))
        passing = Program(book)
        assert ask(passing) == (Decision.ALLOW, ["again"])
        book.remove("again")
        del passing
    assert len(book._ended) <= 40
    assert len(book._former.get("again", ())) <= 20
    assert ask(old) == (Decision.ALLOW, sorted(f"grant{number}" for number in range(20)))
    assert ask(Program(book)) == (Decision.DENY, [])


def test_a_rule_is_found_where_the_index_was_empty_when_the_plan_was_made() -> None:
    # More links than `FEW` came and went; then a plan was made; then a link came, for which no new plan is made.
    book = Rulebook(PolicySet([TEMPLATE], [Link(f"grant{number}", "template", VALUES) for number in range(FEW + 2)]))
    for number in range(FEW + 2):
        book.remove(f"grant{number}")
    for _ in range(FEW):
        book.add(policy("permit(principal is Ghost, action, resource);"))
        book.remove("p")
    assert len(book._ended) <= 1
    assert ask(Program(book)) == (Decision.DENY, [])
    book.link(Link("grant", "template", VALUES))
    assert ask(Program(book)) == (Decision.ALLOW, ["grant"])
    book.add(policy('forbid(principal in Team::"t", action, resource);'))
    assert ask(Program(book)) == (Decision.DENY, ["p"])


def test_what_has_ended_is_taken_out_of_a_chapter_that_stays() -> None:
    narrow = policy('permit(principal in Team::"t", action, resource);', "narrow")
    book = Rulebook(PolicySet([PERMIT, narrow]))
    (chapter,) = book._chapters._by_scope.values()
    for _ in range(20):
        for each in (policy("forbid(principal, action, resource);", "w"), replace(narrow, id="n")):
            book.add(each)
            book.remove(each.id)
    assert [rule.policy_id for rule in chapter.wide][:1] == ["permit"]
    assert [rule.policy_id for rule in chapter.few or ()][:1] == ["narrow"]
    assert len(chapter.wide) + len(chapter.few or ()) + chapter.uses <= 2 * (2 + 1)


def test_rules_leave_from_among_many_of_their_kind() -> None:
    for text in ("permit(principal, action, resource);", 'permit(principal in Team::"t", action, resource);'):
        book = Rulebook(PolicySet([policy(text, f"p{number}") for number in range(200)]))
        for number in range(0, 200, 2):
            book.remove(f"p{number}")
        assert ask(Program(book)) == (Decision.ALLOW, sorted(f"p{number}" for number in range(1, 200, 2)))


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
    assert sum(len(chapter.wide) for chapter in book._chapters._by_scope.values()) <= 1
    for root in (book.index._by_principal, book.index._by_resource, book.index._pairs, book.index._pairs_by_resource):
        assert not root.equal
        assert not root.above
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
