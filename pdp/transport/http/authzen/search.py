"""The Search APIs: which of the stored entities, or of the declared actions, an evaluation would permit.

A result is what the evaluation of it says, for each candidate is asked about exactly as a PEP would ask: with the
stored facts, and in a subject search as an asserted subject. (Refining a partial answer for each candidate gives the
same at twenty times the cost: compiled policies are faster than residual ones. What partial evaluation is good for is
to see that no candidate at all can be permitted.) Whoever is in no store, known by a token alone, is not found.

Pages follow the order of ids. One page looks at no more than MAX_SCANNED candidates, and so may be short of results,
or hold none, and still not be the last one: the last one is where `next_token` is empty.
"""

import hashlib
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias, assert_never, final

from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.clock import Clock
from pdp.config import FreshnessConfig
from pdp.context.facts import Facts
from pdp.engine.decider import CheckRequest, Decider, ReasonClass, Verdict, deny
from pdp.engine.partial import Outcome, PartialCheck, PartialDecider, Unknown
from pdp.engine.snapshot import CurrentWorld, World
from pdp.identity import base64url
from pdp.identity.mapping import asserted_subject
from pdp.transport.authentication import Authentication
from pdp.transport.errors import CallRefused, MessageError, NotReady
from pdp.transport.http.authzen.answers import error_status, ok
from pdp.transport.http.authzen.evaluation import answer_refusal
from pdp.transport.http.authzen.form import Act, Kind, Page, Search, read_search
from pdp.transport.http.authzen.mapping import Unmapped, Vocabulary
from pdp.transport.http.authzen.speakers import Speaker, read_speaker
from pdp.transport.http.endpoint import Answered, HttpAsk
from pdp.transport.http_request import read_request_id
from pdp.transport.request_ids import new_request_id

MAX_RESULTS: Final = 1_000
"""Results on one page, and how many there are if the request does not say."""

MAX_SCANNED: Final = 2_000
"""Candidates that are asked about for one page: some 0.2 s of work on one core."""

_Question: TypeAlias = Callable[[str], CheckRequest]
"""The question about the candidate with an id."""


class _Position(NamedTuple):
    """Where a page begins: behind the id `after`, None for the very beginning; and its length."""

    after: str | None
    limit: int


@final
class SearchDoor:
    """Answers searches."""

    def __init__(
        self,
        current: CurrentWorld,
        ages: FreshnessConfig,
        clock: Clock,
        decider: Decider,
        authentication: Authentication,
        vocabulary: Vocabulary,
    ) -> None:
        self._current = current
        self._ages = ages
        self._clock = clock
        self._decider = decider
        self._authentication = authentication
        self._vocabulary = vocabulary
        self._directory = Directory()

    def subjects(self, ask: HttpAsk) -> Answered:
        """`POST /access/v1/search/subject`."""
        return self._answer(ask, Kind.SUBJECT)

    def resources(self, ask: HttpAsk) -> Answered:
        """`POST /access/v1/search/resource`."""
        return self._answer(ask, Kind.RESOURCE)

    def actions(self, ask: HttpAsk) -> Answered:
        """`POST /access/v1/search/action`."""
        return self._answer(ask, Kind.ACTION)

    def _answer(self, ask: HttpAsk, kind: Kind) -> Answered:
        request_id = read_request_id(ask.headers) or new_request_id()
        try:
            search = read_search(ask.json(), kind)
            digest = _digest(search)
            position = _position(search.page, digest)
            found, rest = self._page(search, position, read_speaker(ask, self._authentication), request_id)
        except CallRefused as error:
            if error_status(error) is not None:
                return answer_refusal(error, ask, request_id)
            verdict = error.verdict()
            context = {"reason": verdict.reason.value, "message": verdict.message}
            return Answered((verdict,), ok(_body([], "") | {"context": context}))
        results = [_result(search, id) for id in found]
        return Answered((_summary(found),), ok(_body(results, "" if rest is None else _token(rest, digest))))

    def _page(
        self, search: Search, position: _Position, speaker: Speaker, request_id: str
    ) -> tuple[Sequence[str], _Position | None]:
        """The ids that are found from a position on, and the next position if there is one."""
        world = self._current.world
        if world is None:
            raise NotReady("the decision point has not loaded its policies yet")
        question = self._question(search, speaker, world, request_id)
        candidates = self._candidates(search, world)
        at = 0 if position.after is None else bisect_right(candidates, position.after)
        if at == 0 and self._is_hopeless(search, question, world, len(candidates)):
            return (), None
        stop = min(at + MAX_SCANNED, len(candidates))
        found: list[str] = []
        while at < stop and len(found) < position.limit:
            if self._permits(question, candidates[at]):
                found.append(candidates[at])
            at += 1
        if at == len(candidates):
            return found, None
        return found, position._replace(after=candidates[at - 1] if at else None)

    def _permits(self, question: _Question, id: str) -> bool:
        try:
            return self._decider.decide(question(id)).decision is Decision.ALLOW
        except Unmapped:  # the question has no meaning for this action, whose context is of another type
            return False

    def _question(self, search: Search, speaker: Speaker, world: World, request_id: str) -> _Question:
        """Raises Unmapped, NotEntitled, Unauthenticated, if not yet then when it is used."""
        if search.kind is Kind.ACTION:  # each action has a context of its own

            def asked(name: str) -> CheckRequest:
                named = replace(search.evaluation, action=Act(name))
                return self._vocabulary.question(named, speaker, world.schema, request_id)

            return asked
        base = self._vocabulary.question(search.evaluation, speaker, world.schema, request_id)
        if search.kind is Kind.RESOURCE:
            return lambda found: replace(base, resource=EntityUID(base.resource.type, found))
        return lambda found: replace(base, subject=asserted_subject(EntityUID(base.subject.uid.type, found)))

    def _candidates(self, search: Search, world: World) -> Sequence[str]:
        """All ids that may be results, sorted."""
        evaluation, vocabulary = search.evaluation, self._vocabulary
        subject_type = vocabulary.entity_type(evaluation.subject.type)
        resource_type = vocabulary.entity_type(evaluation.resource.type)
        match search.kind:
            case Kind.SUBJECT:
                return self._directory.ids(world.facts, subject_type)
            case Kind.RESOURCE:
                return self._directory.ids(world.facts, resource_type)
            case Kind.ACTION:
                action_type = vocabulary.action_type(evaluation.resource.type)
                return sorted(
                    action.uid.id
                    for action in world.schema.actions.values()
                    if action.uid.type == action_type
                    and subject_type in action.principal_types
                    and resource_type in action.resource_types
                )
            case _:
                assert_never(search.kind)

    def _is_hopeless(self, search: Search, question: _Question, world: World, candidates: int) -> bool:
        """Whether it can be seen at once that no candidate is permitted. Only looked at where that is less work."""
        policies = len(world.policies.static) + len(world.policies.links)
        if search.kind is Kind.ACTION or policies > min(candidates, MAX_SCANNED):
            return False
        asked = question("")
        if asked.resource_facts.fields:  # partial evaluation knows stored facts alone
            return False
        subject, resource = asked.subject, asked.resource
        check = PartialCheck(
            Unknown(subject.uid.type, stored=True) if search.kind is Kind.SUBJECT else subject,
            asked.action,
            Unknown(resource.type, stored=True) if search.kind is Kind.RESOURCE else resource,
            asked.context,
            asked.device,
        )
        return PartialDecider(world, self._ages, self._clock()).decide(check).outcome is Outcome.DENY


@final
class Directory:
    """The ids of the stored entities by type, sorted; made once for each state of the facts."""

    def __init__(self) -> None:
        self._made: tuple[Facts | None, Mapping[str, Sequence[str]]] = (None, {})

    def ids(self, facts: Facts, entity_type: str) -> Sequence[str]:
        """The ids of a type."""
        made_for, by_type = self._made
        if made_for is not facts:
            grouped: defaultdict[str, list[str]] = defaultdict(list)
            for entity in facts.entities:
                grouped[entity.uid.type].append(entity.uid.id)
            by_type = {name: sorted(ids) for name, ids in grouped.items()}
            # Replaced whole: of two threads that make it at once, either's will do.
            self._made = (facts, by_type)
        return by_type.get(entity_type, ())


def _result(search: Search, id: str) -> dict[str, str]:
    match search.kind:
        case Kind.ACTION:
            return {"name": id}
        case Kind.SUBJECT:
            return {"type": search.evaluation.subject.type, "id": id}
        case Kind.RESOURCE:
            return {"type": search.evaluation.resource.type, "id": id}
        case _:
            assert_never(search.kind)


def _body(results: Sequence[Mapping[str, str]], next_token: str) -> dict[str, Any]:
    return {"page": {"next_token": next_token, "count": len(results)}, "results": results}


def _summary(found: Sequence[str]) -> Verdict:
    """What is counted of a page: an allow if it holds something."""
    if not found:
        return deny(ReasonClass.NOT_PERMITTED, "nothing was found")
    return Verdict(Decision.ALLOW, ReasonClass.ALLOWED, f"{len(found)} found")


def _digest(search: Search) -> str:
    """Stands for what was searched for, the page apart: one text for one question, as JSON has one form here."""
    evaluation = search.evaluation
    things = (evaluation.subject, evaluation.resource)
    asked: list[Any] = [
        search.kind.value,
        [[thing.type, thing.id, thing.properties] for thing in things],
        [evaluation.action.name, evaluation.action.properties],
        evaluation.context,
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _token(position: _Position, digest: str) -> str:
    """A page token. It is not secret and not signed: another position gives other results of the same search."""
    return base64url.encode(json.dumps([position.after, position.limit, digest]).encode("ascii"))


def _position(page: Page, digest: str) -> _Position:
    """Where a page begins. Raises MessageError for a token that is none, or not of this search and limit."""
    if not page.token:
        return _Position(None, MAX_RESULTS if page.limit is None else min(page.limit, MAX_RESULTS))
    try:
        match json.loads(base64url.decode(page.token) or b""):
            case [str() | None as after, int(limit), str(asked)] if not isinstance(limit, bool):
                position = _Position(after, limit)
            case _:
                raise ValueError("another form")
    except (ValueError, RecursionError):
        raise MessageError("`page.token` is none that this decision point gave") from None
    if asked != digest or (page.limit is not None and min(page.limit, MAX_RESULTS) != position.limit):
        raise MessageError("`page.token` is of another search", help="repeat the first request and add the token")
    if not 0 <= position.limit <= MAX_RESULTS:
        raise MessageError("`page.token` is none that this decision point gave")
    return position
