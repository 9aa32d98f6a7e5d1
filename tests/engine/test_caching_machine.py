"""Any sequence of changes, of time passing and of questions: at each step the cached chain answers as the uncached one.

Changes come between questions, in the midst of an evaluation, and are looked at while they are being published. The
world is built anew for each, as a reload does it, and what changed is found by comparing.
"""

from typing import Any, Final
from unittest.mock import patch

from caching_worlds import (
    AGES,
    BUNDLE,
    CONTEXT,
    DEVICES,
    DOCS,
    GROUPS,
    HOUR,
    MINUTE,
    NOW,
    ORGS,
    SECOND,
    TEMPLATES,
    USERS,
    a_model,
    attributes,
    questions,
    standing,
    varied,
    with_every_value,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pdp.cedar.values import EntityUID, Value
from pdp.context.facts import Grant
from pdp.engine import caching
from pdp.engine.caching import Caching
from pdp.engine.chain import build_chain
from pdp.engine.changes import EVERYTHING, Change
from pdp.engine.comparing import between
from pdp.engine.decider import CheckRequest, Verdict
from pdp.engine.evaluating import Evaluated, evaluate
from pdp.engine.snapshot import CurrentWorld, World

_ASKED: Final = 6
"""Questions that are asked again after every step, beside the standing ones."""


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.model = a_model()
        self.current = CurrentWorld()
        self.current.listen(
            self.look
        )  # before the cache: it is told when the world is there and the cache knows nothing
        self.cache = Caching(self.current, AGES, self.clock, 1 << 20)
        self.chain = build_chain(self.current, AGES, self.clock, self.report, self.cache)
        self.asked = standing()
        self.midway = ""
        self.patch = patch.object(caching, "evaluate", self.evaluate)
        self.patch.start()

    def teardown(self) -> None:
        self.patch.stop()

    def report(self, error: Exception) -> None:
        raise AssertionError from error

    def evaluate(self, *arguments: Any) -> Evaluated:
        """The real one; but for a change that was announced, which comes before or after it is done."""
        self.interrupt("begun")
        evaluated = evaluate(*arguments)
        self.interrupt("done")
        return evaluated

    def clock(self) -> int:
        """The time; it is asked for when the world has been read, and before the cache is looked into."""
        self.interrupt("clock")
        return self.now

    def interrupt(self, place: str) -> None:
        """If a change was announced for this place, make it, and have everything asked by others before going on."""
        if self.midway == place:
            self.midway = ""
            self.publish()
            for request in self.asked:
                self.chain.decide(request)

    def publish(self) -> None:
        world = self.model.world()
        self.current.publish(world, between(self.current.world, world))

    def fresh(self, request: CheckRequest, now: int | None = None) -> Verdict:
        """The answer without a cache."""
        return evaluate(self.current.world, request, self.now if now is None else now, AGES).verdict

    def look(self, world: World, _: Change) -> None:
        """In the midst of a publication: nothing of the world before."""
        assert self.current.world is world
        for request in self.asked:
            assert self.chain.decide(request) == self.fresh(request)

    @initialize()
    def begin(self) -> None:
        self.publish()

    @invariant()
    def every_question_is_answered_as_without_a_cache(self) -> None:
        for request in self.asked:
            assert self.chain.decide(request) == self.fresh(request)

    @rule(requests=st.lists(questions(), min_size=1, max_size=4))
    def ask(self, requests: list[CheckRequest]) -> None:
        for request in requests:
            assert self.chain.decide(request) == self.fresh(request)
        self.keep(*requests)

    def keep(self, *requests: CheckRequest) -> None:
        """Ask these after every step, too, in place of those that came longest ago."""
        self.asked = [*standing(), *[*self.asked[len(standing()) :], *requests][-_ASKED:]]

    @rule(number=st.integers(0, 2 * _ASKED - 1), data=st.data())
    def ask_a_little_differently(self, number: int, data: st.DataObject) -> None:
        if number < len(self.asked):
            self.ask([self.asked[number], *data.draw(st.lists(varied(self.asked[number]), min_size=1, max_size=3))])

    @rule(number=st.integers(0, 2 * _ASKED - 1), name=st.sampled_from(sorted(CONTEXT)))
    def ask_with_every_value(self, number: int, name: str) -> None:
        if number < len(self.asked):
            self.ask(with_every_value(self.asked[number], name))

    @rule(
        number=st.integers(0, 2 * _ASKED - 1),
        place=st.sampled_from(["clock", "begun", "done"]),
        entity=st.sampled_from([*USERS, *DOCS]),
        data=st.data(),
    )
    def change_while_one_is_answered(self, number: int, place: str, entity: EntityUID, data: st.DataObject) -> None:
        request = self.asked[number % len(self.asked)]
        if place != "clock":  # so that it is evaluated
            self.current.publish(self.model.world(), EVERYTHING)
        old = self.current.world
        self.model.attrs[entity] = data.draw(attributes(entity.type))
        self.midway = place
        verdict = self.chain.decide(request)
        self.midway = ""
        # It may be the answer of the world that it began with. Whoever asks now gets the one of now.
        assert verdict in (self.fresh(request), evaluate(old, request, self.now, AGES).verdict)
        self.publish()
        assert self.chain.decide(request) == self.fresh(request)

    @rule(share=st.integers(0, 99))
    def valid_until_is_honest(self, share: int) -> None:
        for request in self.asked:
            verdict = self.chain.decide(request)
            until = self.now + 40 * HOUR if verdict.valid_until is None else verdict.valid_until
            for later in (self.now + (until - self.now) * share // 100, until - 1):
                if later > self.now:
                    assert self.fresh(request, later) == verdict

    @rule(step=st.sampled_from([1, SECOND, MINUTE, 15 * MINUTE, HOUR, -1, -SECOND, -HOUR]))
    def time_passes_or_is_set_back(self, step: int) -> None:
        self.now += step

    @rule(number=st.integers(0, 2 * _ASKED - 1), off=st.sampled_from([-1, 0, 1]))
    def time_comes_to_an_end_of_validity(self, number: int, off: int) -> None:
        if number < len(self.asked):
            self.now = (self.fresh(self.asked[number]).valid_until or self.now) + off

    @rule(entity=st.sampled_from([*USERS, *GROUPS, *ORGS, *DEVICES, *DOCS]), data=st.data())
    def an_entity_is_another(self, entity: EntityUID, data: st.DataObject) -> None:
        self.model.attrs[entity] = data.draw(attributes(entity.type))
        self.publish()

    @rule(entity=st.sampled_from([*USERS, *GROUPS, *ORGS, *DEVICES, *DOCS]))
    def an_entity_goes(self, entity: EntityUID) -> None:
        self.model.attrs.pop(entity, None)
        self.publish()

    @rule(user=st.sampled_from(USERS), groups=st.frozensets(st.sampled_from(GROUPS), max_size=2))
    def a_user_moves(self, user: EntityUID, groups: frozenset[EntityUID]) -> None:
        self.model.parents[user] = groups
        self.publish()

    @rule(below=st.integers(0, 2), above=st.integers(0, 2), docs=st.booleans())
    def a_group_or_a_folder_moves(self, below: int, above: int, docs: bool) -> None:
        kind = DOCS if docs else GROUPS
        # Only upwards, or there would be cycles: groups below later ones, documents below earlier ones.
        goes = above < below if docs else above > below
        self.model.parents[kind[below]] = frozenset([kind[above]] if goes else [])
        self.publish()

    @rule(user=st.sampled_from(USERS), rank=st.sampled_from([None, 1, 3]))
    def a_tag_is_another(self, user: EntityUID, rank: int | None) -> None:
        self.model.tags[user] = {} if rank is None else {"rank": rank}
        self.publish()

    @rule(
        subject=st.sampled_from([*DEVICES, *USERS[:2]]),
        age=st.sampled_from([-HOUR, 0, 9 * MINUTE, 20 * MINUTE, None]),
        value=st.booleans(),
    )
    def posture_is_reported(self, subject: EntityUID, age: int | None, value: bool) -> None:
        facts: dict[str, Value] = {"encrypted" if subject.type == "Device" else "attested": value}
        if age is None:
            self.model.posture.pop(subject, None)
        else:
            self.model.posture[subject] = self.now - age, facts
        self.publish()

    @rule(
        name=st.sampled_from(["grant/1", "grant/2"]),
        template=st.sampled_from(TEMPLATES),
        holder=st.sampled_from([*USERS[:2], *GROUPS[:2]]),
        resource=st.sampled_from(DOCS[:2]),
        start=st.sampled_from([-HOUR, 0, MINUTE]),
        length=st.sampled_from([1, MINUTE, HOUR, 2 * HOUR]),
    )
    def something_is_granted(
        self, name: str, template: str, holder: EntityUID, resource: EntityUID, start: int, length: int
    ) -> None:
        begins = self.now + start
        grant = Grant(name, template, holder, resource, "owner", "reason", begins, begins + length)
        self.model.grants[name] = grant
        self.publish()

    @rule(name=st.sampled_from(["grant/1", "grant/2"]))
    def a_grant_is_revoked(self, name: str) -> None:
        self.model.grants.pop(name, None)
        self.publish()

    @rule(without=st.frozensets(st.sampled_from(sorted([*BUNDLE.policies.static, *TEMPLATES])), max_size=6))
    def policies_are_others(self, without: frozenset[str]) -> None:
        self.model.without = without
        self.model.bundle_revision += 1
        self.publish()

    @rule()
    def nothing_changes(self) -> None:
        self.publish()

    @rule()
    def who_publishes_does_not_know_what_changed(self) -> None:
        self.current.publish(self.model.world(), EVERYTHING)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
