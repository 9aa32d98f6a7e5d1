"""The cache: what it keeps and what not, what a change drops, and that no thread is ever answered from before it."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest
from caching_worlds import ACTIONS, AGES, DOCS, GROUPS, HOUR, MINUTE, NOW, USERS, Model, a_model

from pdp.cedar.entities import Entity
from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID, Record
from pdp.engine import caching
from pdp.engine.caching import Caching
from pdp.engine.changes import EVERYTHING, Change
from pdp.engine.coalescing import Flights
from pdp.engine.comparing import between
from pdp.engine.decider import CheckRequest, ReasonClass, Verdict
from pdp.engine.evaluating import Evaluated, evaluate
from pdp.engine.snapshot import CurrentWorld
from pdp.identity.subject import Method, Subject

ANA, BOB, EVE = USERS
READ, WRITE, LIST, _ = ACTIONS
ROOT, PLAN, NOTE = DOCS


def asks(who: EntityUID = ANA, action: EntityUID = READ, resource: EntityUID = PLAN, **rest: Any) -> CheckRequest:
    if isinstance(context := rest.get("context"), dict):
        rest["context"] = Record(context)
    return CheckRequest(Subject(Entity(who), Method.ASSERTED), action, resource, **rest)


@dataclass
class Setting:
    """A cache over a model that can be changed, with a clock that can be set, counting what is evaluated."""

    model: Model = field(default_factory=a_model)
    now: int = NOW
    limit: int = 1 << 20
    evaluated: int = 0
    current: CurrentWorld = field(default_factory=CurrentWorld)
    meanwhile: Callable[[], object] = lambda: None
    """What happens between an evaluation and its end."""

    def __post_init__(self) -> None:
        self.cache = Caching(self.current, AGES, lambda: self.now, self.limit)

    def evaluate(self, *arguments: Any) -> Evaluated:
        self.evaluated += 1
        evaluated = evaluate(*arguments)
        self.meanwhile()
        return evaluated

    def publish(self) -> None:
        world = self.model.world()
        self.current.publish(world, between(self.current.world, world))

    def set(self, entity: EntityUID, **attrs: Any) -> None:
        self.model.attrs[entity] = {**self.model.attrs.get(entity, {}), **attrs}
        self.publish()

    def is_cached(self, request: CheckRequest) -> bool:
        """Asks, and says whether that needed no evaluation. The answer is compared with a new one."""
        before = self.evaluated
        verdict = self.cache.decide(request)
        assert verdict == evaluate(self.current.world, request, self.now, AGES).verdict
        return self.evaluated == before


@pytest.fixture
def setting() -> Iterator[Setting]:
    made = Setting()
    made.publish()
    with patch.object(caching, "evaluate", made.evaluate):
        yield made


def test_what_was_asked_before_is_not_evaluated_again(setting: Setting) -> None:
    assert [setting.is_cached(asks()) for _ in range(3)] == [False, True, True]
    figures = setting.cache.figures()
    assert (figures.hits, figures.misses, figures.entries, figures.limit) == (2, 1, 1, setting.limit)
    assert 0 < figures.bytes < 4_000


def test_what_no_policy_reads_costs_no_hit(setting: Setting) -> None:
    assert not setting.is_cached(asks(request_id="1", context={"request_id": "1"}))
    assert setting.is_cached(asks(request_id="2", context={"request_id": "2"}))


def test_what_the_schema_refuses_is_not_answered_as_what_it_accepts(setting: Setting) -> None:
    setting.is_cached(asks(context={"request_id": "1"}))
    refused = setting.cache.decide(asks(context={"request_id": 1}))
    assert refused.reason is ReasonClass.INVALID_REQUEST


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (asks(BOB, READ, PLAN), ReasonClass.POLICY_ERROR),  # nobody knows his level, once it is gone
        (asks(context={"request_id": 1}), ReasonClass.INVALID_REQUEST),
        (asks(context={"grant": "mine"}), ReasonClass.INVALID_REQUEST),
        (asks(action=EntityUID("Action", "none")), ReasonClass.INVALID_REQUEST),
        (asks(min_revision=99), ReasonClass.CONTEXT_BEHIND),
    ],
)
def test_errors_and_refusals_are_not_kept(setting: Setting, request_: CheckRequest, reason: ReasonClass) -> None:
    setting.model.attrs[BOB] = {}
    setting.publish()
    assert setting.cache.decide(request_).reason is reason
    assert [setting.is_cached(request_) for _ in range(2)] == [False, False]
    assert setting.cache.figures().entries == 0


def test_an_answer_that_becomes_an_error_is_forgotten(setting: Setting) -> None:
    setting.is_cached(asks(BOB))
    setting.model.attrs[BOB] = {}
    setting.publish()
    assert setting.cache.decide(asks(BOB)).errors
    assert setting.cache.figures().entries == 0


def test_an_answer_of_an_expired_credential_is_not_kept(setting: Setting) -> None:
    subject = Subject(Entity(ANA), Method.JWT, expires_at=NOW)
    request = CheckRequest(subject, READ, PLAN)
    assert [setting.is_cached(request) for _ in range(2)] == [False, False]


def test_before_there_is_a_world_nothing_is_kept() -> None:
    made = Setting()
    assert made.cache.decide(asks()).reason is ReasonClass.NOT_READY
    made.publish()
    assert made.cache.decide(asks()).decision is Decision.ALLOW
    figures = made.cache.figures()
    assert (figures.uncacheable, figures.misses, figures.hits) == (1, 1, 0)


def test_a_world_that_the_cache_was_not_told_of_is_evaluated(setting: Setting) -> None:
    setting.is_cached(asks())
    setting.current.world = setting.model.world()
    assert [setting.is_cached(asks()) for _ in range(2)] == [False, False]
    setting.publish()
    setting.is_cached(asks())
    assert setting.is_cached(asks())


def test_a_change_drops_what_it_affects_and_nothing_else(setting: Setting) -> None:
    requests = [asks(who, READ, doc) for who in (ANA, BOB) for doc in (PLAN, NOTE)]
    for request in requests:
        setting.is_cached(request)
    setting.set(ANA, level=1)
    assert [setting.is_cached(request) for request in requests] == [False, False, True, True]
    setting.set(NOTE, secret=False)
    assert [setting.is_cached(request) for request in requests] == [True, False, True, False]
    setting.set(NOTE, owner=ANA)
    assert [setting.is_cached(request) for request in requests] == [True, False, True, False]
    setting.set(GROUPS[1], open=False)  # only `list` looks at it
    assert all(setting.is_cached(request) for request in requests)
    assert setting.cache.figures().invalidated == 6


def test_a_cached_answer_names_the_revision_that_it_was_given_at(setting: Setting) -> None:
    first = setting.cache.decide(asks())
    for _ in range(3):
        setting.publish()
        again = setting.cache.decide(asks())
        assert again == replace(first, context_revision=setting.model.revision)
        assert setting.cache.decide(asks()) is again
    assert setting.evaluated == 1


def test_a_revision_that_is_demanded_is_kept_to(setting: Setting) -> None:
    setting.is_cached(asks())
    behind = asks(min_revision=setting.model.revision + 1)
    assert setting.cache.decide(behind).reason is ReasonClass.CONTEXT_BEHIND
    assert setting.is_cached(asks(min_revision=setting.model.revision))
    setting.publish()
    assert setting.is_cached(behind)


def test_time_ends_an_answer_to_the_millisecond_and_a_clock_that_is_set_back_does_too(setting: Setting) -> None:
    laptop = asks(action=READ, resource=NOTE, device=EntityUID("Device", "laptop"))
    until = setting.cache.decide(laptop).valid_until
    assert until == NOW + 14 * MINUTE
    cached = []
    for now in (until - 1, until, until - 1, until + HOUR, NOW - 1, NOW - 1, NOW - 2):
        setting.now = now
        cached.append(setting.is_cached(laptop))
    assert cached == [True, False, False, False, False, True, False]


def test_what_a_change_overtakes_is_answered_and_not_kept(setting: Setting) -> None:
    def revoke() -> None:
        setting.meanwhile = lambda: None
        setting.set(PLAN, secret=True)

    setting.meanwhile = revoke
    assert setting.cache.decide(asks()).decision is Decision.ALLOW  # it had begun before
    assert setting.cache.figures().entries == 0
    assert setting.cache.decide(asks()).decision is Decision.DENY


def test_a_change_of_the_hierarchy_of_actions_drops_everything(setting: Setting) -> None:
    requests = [asks(ANA), asks(BOB, LIST)]
    for request in requests:
        setting.is_cached(request)
    world = setting.model.world()
    setting.current.publish(world, Change(entities=frozenset([READ])))
    assert [setting.is_cached(request) for request in requests] == [False, False]


def test_more_changes_than_are_remembered_are_no_reason_to_be_wrong(setting: Setting) -> None:
    setting.is_cached(asks())
    many = frozenset(EntityUID("User", str(number)) for number in range(70_000))
    setting.current.publish(setting.model.world(), Change(entities=many))
    assert [setting.is_cached(asks()) for _ in range(2)] == [False, True]


def test_a_world_that_was_replaced_is_freed_although_answers_of_it_are_kept(setting: Setting) -> None:
    setting.is_cached(asks())
    assert setting.current.world is not None
    gone = weakref.ref(setting.current.world.program)
    setting.publish()
    gc.collect()
    assert gone() is None
    assert setting.is_cached(asks())


def test_it_stays_within_its_bytes(setting: Setting) -> None:
    for number in range(3_000):
        setting.cache.decide(asks(EntityUID("User", f"{number}"), LIST))
        assert setting.cache.figures().bytes <= setting.limit
    figures = setting.cache.figures()
    assert 500 < figures.entries < 3_000
    assert figures.evicted + figures.entries == 3_000


# --- threads


@dataclass
class Blocked:
    """Evaluations that go on when they are told to, and may fail or be of an error."""

    go_on: Event = field(default_factory=Event)
    entered: Event = field(default_factory=Event)
    number: Iterator[int] = field(default_factory=count)
    calls: int = 0
    fails: bool = False

    def __call__(self, *arguments: Any) -> Evaluated:
        first = next(self.number) == 0
        self.calls += 1
        if first:
            self.entered.set()
            assert self.go_on.wait(30)
            if self.fails:
                raise RuntimeError("a defect")
        return evaluate(*arguments)


def in_threads(work: Callable[[], object], number: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads


def together(
    blocked: Blocked, request: CheckRequest, patience: float = 30.0, meanwhile: Callable[[], object] = lambda: None
) -> tuple[Caching, list[Verdict | str]]:
    """Four threads ask the same while the first is being answered."""
    setting = Setting()
    waiting: list[int] = []

    class Watched(Flights[Any]):
        def wait(self, flight: Any) -> Any:
            waiting.append(1)
            return super().wait(flight)

    cache = Caching(setting.current, AGES, lambda: setting.now, 1 << 20, Watched(patience))
    setting.publish()
    answers: list[Verdict | str] = []

    def ask() -> None:
        try:
            answers.append(cache.decide(request))
        except RuntimeError as error:
            answers.append(str(error))

    with patch.object(caching, "evaluate", blocked):
        threads = in_threads(ask, 1)
        assert blocked.entered.wait(30)
        threads += in_threads(ask, 3)
        while len(waiting) < 3:
            threading.Event().wait(0.001)
        meanwhile()
        if patience > 1:
            blocked.go_on.set()
        else:
            for thread in threads[1:]:
                thread.join(30)
            blocked.go_on.set()
        for thread in threads:
            thread.join(30)
    return cache, answers


def test_identical_questions_share_one_evaluation() -> None:
    blocked = Blocked()
    cache, answers = together(blocked, asks())
    assert blocked.calls == 1
    assert len(answers) == 4
    assert all(answer is answers[0] for answer in answers)
    figures = cache.figures()
    assert (figures.misses, figures.coalesced) == (4, 3)


def test_a_failure_is_nobody_elses() -> None:
    blocked = Blocked(fails=True)
    cache, answers = together(blocked, asks())
    failed = [answer for answer in answers if isinstance(answer, str)]
    assert failed == ["a defect"]
    assert {answer.decision for answer in answers if isinstance(answer, Verdict)} == {Decision.ALLOW}
    assert blocked.calls == 4
    assert cache.decide(asks()).decision is Decision.ALLOW
    assert cache.figures().hits == 1


def test_an_answer_with_an_error_is_not_shared() -> None:
    blocked = Blocked()
    model_without = asks(EVE)  # nobody knows her level
    cache, answers = together(blocked, model_without)
    assert blocked.calls == 4
    assert {answer.reason for answer in answers if isinstance(answer, Verdict)} == {ReasonClass.POLICY_ERROR}
    assert (cache.figures().coalesced, cache.figures().entries) == (0, 0)


def test_who_has_waited_long_enough_evaluates() -> None:
    blocked = Blocked()
    _, answers = together(blocked, asks(), patience=0.01)
    assert blocked.calls == 4
    assert len({id(answer) for answer in answers}) > 1
    assert all(answer == answers[0] for answer in answers)


def test_a_question_after_a_change_does_not_wait_for_one_from_before() -> None:
    blocked = Blocked()
    setting = Setting()
    setting.publish()
    answers: list[Verdict] = []
    with patch.object(caching, "evaluate", blocked):
        threads = in_threads(lambda: answers.append(setting.cache.decide(asks())), 1)
        assert blocked.entered.wait(30)
        setting.set(PLAN, secret=True)
        assert setting.cache.decide(asks()).decision is Decision.DENY
        blocked.go_on.set()
        threads[0].join(30)
        assert answers[0].decision is Decision.ALLOW  # it had begun before
        assert setting.cache.decide(asks()).decision is Decision.DENY


def test_no_reader_is_answered_from_before_a_change_that_was_acknowledged() -> None:
    """One writer opens and closes a document; readers see nothing older than what was acknowledged as they began."""
    setting = Setting()
    setting.publish()
    acknowledged = [setting.model.revision]
    secret = {setting.model.revision: False}
    stop = Event()
    faults: list[str] = []
    asked = [0, 0, 0]

    def read(number: int) -> None:
        request = asks()
        while not stop.is_set():
            least = acknowledged[0]
            verdict = setting.cache.decide(request)
            asked[number] += 1
            if verdict.context_revision < least:
                faults.append(f"{verdict.context_revision} after {least} was acknowledged")
            if (verdict.decision is Decision.DENY) is not secret[verdict.context_revision]:
                faults.append(f"{verdict.decision} at {verdict.context_revision}")

    threads = [threading.Thread(target=read, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for number in range(100):
        value = number % 3 == 0
        setting.model.attrs[PLAN] = {**setting.model.attrs[PLAN], "secret": value}
        world = setting.model.world()
        secret[world.context_revision] = value
        setting.current.publish(world, between(setting.current.world, world) if number % 50 else EVERYTHING)
        acknowledged[0] = world.context_revision
    stop.set()
    for thread in threads:
        thread.join(30)
    assert faults == []
    assert all(asked)
    assert setting.cache.figures().hits > 0
