"""Any sequence of changes: after each, the newest program and every older one answer as the interpreter does.

Policies and links come and go, the store changes, old programs are kept and dropped; the policies that each program
stands for are noted as it is made.
"""

from contextlib import ExitStack
from typing import Final
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from strategies import universe
from strategies.choices import Choices
from strategies.policy_sets import policy

from pdp.cedar.entities import Entities
from pdp.cedar.policy import Link, Policy, PolicySet, Slot
from pdp.cedar.request import Request
from pdp.compiler import plan, rulebook
from pdp.compiler.program import Program
from pdp.compiler.rulebook import Rulebook
from pdp.compiler.rules import FEW
from pdp.evaluate.authorize import applies, authorize

_KEPT: Final = 4
"""Older programs that are asked again and again."""


def _entropy(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


class Changes(RuleBasedStateMachine):
    statics = Bundle("statics")
    templates = Bundle("templates")
    links = Bundle("links")

    def __init__(self) -> None:
        super().__init__()
        self.policies: dict[str, Policy] = {}
        self.linked: dict[str, Link] = {}
        self.store = Entities()
        self.requests: list[Request] = []
        self.named = 0
        self.book = Rulebook()
        self.programs: list[tuple[Program, PolicySet]] = []
        self.patches = ExitStack()

    @initialize(
        store=_entropy(300),
        requests=st.lists(_entropy(24), min_size=2, max_size=3),
        fuse_after=st.sampled_from([1, None]),
        few=st.sampled_from([0, 1, FEW]),
    )
    def begin(self, store: bytes, requests: list[bytes], fuse_after: int | None, few: int) -> None:
        self.patches.enter_context(patch.object(rulebook, "FEW", few))
        self.patches.enter_context(patch.object(plan, "FEW", few))
        # Without code for them all at once, every rule that names an entity is asked of the index.
        self.book = Rulebook(fuse_after=fuse_after)
        self.store = universe.store(Choices(store))
        self.requests = [universe.request(Choices(entropy)) for entropy in requests]
        self.changed()

    def changed(self) -> None:
        """Note the newest program; forget the oldest one that is kept."""
        self.programs = self.programs[-_KEPT:]
        self.programs.append((Program(self.book), PolicySet(self.policies.values(), self.linked.values())))

    @rule(target=statics, entropy=_entropy(96), reuse=st.booleans())
    def add(self, entropy: bytes, reuse: bool) -> str:
        made = self._policy(entropy, reuse=reuse)
        filled = made.fill(made.id, {slot: universe.uid(Choices(entropy), _TYPES[slot][0]) for slot in made.slots})
        self.policies[filled.id] = filled
        self.book.add(filled)
        self.changed()
        return filled.id

    @rule(target=templates, entropy=_entropy(96))
    def add_template(self, entropy: bytes) -> object:
        made = self._policy(entropy, reuse=False)
        if not made.is_template:
            return multiple()
        self.policies[made.id] = made
        self.book.add(made)
        self.changed()
        return made.id

    def _policy(self, entropy: bytes, *, reuse: bool) -> Policy:
        """A policy under a new id, or under one that was used before."""
        free = [f"p{number}" for number in range(self.named) if f"p{number}" not in self.policies]
        if not (reuse and free):
            free = [f"p{self.named}"]
            self.named += 1
        return policy(Choices(entropy), free[0])

    @rule(target=links, template=templates, entropy=_entropy(8))
    def link(self, template: str, entropy: bytes) -> object:
        if template not in self.policies:
            return multiple()
        choices = Choices(entropy)
        values = {slot: universe.uid(choices, choices.pick(_TYPES[slot])) for slot in self.policies[template].slots}
        free = next(f"l{number}" for number in range(len(self.linked) + 1) if f"l{number}" not in self.linked)
        self.linked[free] = Link(free, template, values)
        self.book.link(self.linked[free])
        self.changed()
        return free

    @rule(policy_id=consumes(statics))
    def remove(self, policy_id: str) -> None:
        if policy_id in self.policies:
            del self.policies[policy_id]
            self.book.remove(policy_id)
            self.changed()

    @rule(link_id=consumes(links))
    def unlink(self, link_id: str) -> None:
        if link_id in self.linked:
            del self.linked[link_id]
            self.book.remove(link_id)
            self.changed()

    @rule(template=consumes(templates))
    def remove_template_and_links(self, template: str) -> None:
        for link_id in [link.id for link in self.linked.values() if link.template_id == template]:
            del self.linked[link_id]
            self.book.remove(link_id)
        del self.policies[template]
        self.book.remove(template)
        self.changed()

    @rule(entropy=_entropy(300))
    def change_entities(self, entropy: bytes) -> None:
        self.store = universe.store(Choices(entropy))

    @rule(entropy=_entropy(24))
    def ask_something_else(self, entropy: bytes) -> None:
        self.requests = [*self.requests[1:], universe.request(Choices(entropy))]

    @rule()
    def drop_the_older_programs(self) -> None:
        self.programs = self.programs[-1:]

    @invariant()
    def every_program_answers_for_its_own_policies(self) -> None:
        for program, policies in self.programs:
            for request in self.requests:
                expected = authorize(request, policies, self.store)
                answered = program.authorize(request, self.store)
                assert answered.decision is expected.decision
                assert answered.reasons == expected.reasons
                assert sorted(answered.errors, key=str) == sorted(expected.errors, key=str)

    @invariant()
    def every_program_knows_its_own_policies(self) -> None:
        for program, policies in self.programs:
            linked = {each.id: each for each in policies.linked()}
            assert {policy_id: program.policy(policy_id) for policy_id in linked} == linked
            for request in self.requests[:1]:
                matching = [each.id for each in linked.values() if applies(each, request, self.store)]
                assert sorted(program.candidates(request, self.store)) == sorted(matching)

    def teardown(self) -> None:
        # Whatever happened, it can all be undone.
        with self.patches:
            for policy_id in [*self.linked, *self.policies]:
                self.book.remove(policy_id)
            for request in self.requests:
                assert Program(self.book).authorize(request, self.store).reasons == set()
            assert len(self.book) == 0


_TYPES: Final = {Slot.PRINCIPAL: ("User", "Group"), Slot.RESOURCE: ("App::Doc", "App::Folder")}

Changes.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestChanges = Changes.TestCase
