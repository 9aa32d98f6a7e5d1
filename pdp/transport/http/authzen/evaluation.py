"""The Access Evaluation and Access Evaluations APIs."""

from collections.abc import Callable, Iterator
from typing import TypeAlias, final

from pdp.cedar.response import Decision
from pdp.cedar.schema.model import Schema
from pdp.engine.decider import Decider, Verdict
from pdp.telemetry.observing import note_request
from pdp.transport.authentication import Authentication
from pdp.transport.door import Report
from pdp.transport.errors import CallRefused, MessageError, NotReady
from pdp.transport.http.authzen.answers import FAILED, decision, error_status, ok, refused
from pdp.transport.http.authzen.form import Evaluation, Evaluations, Semantic, read_evaluation, read_evaluations
from pdp.transport.http.authzen.mapping import Vocabulary
from pdp.transport.http.authzen.speakers import Speaker, read_speaker
from pdp.transport.http.endpoint import Answered, HttpAsk
from pdp.transport.http_request import read_request_id, values_of
from pdp.transport.request_ids import new_request_id

CurrentSchema: TypeAlias = Callable[[], Schema | None]
"""The schema that requests are read by now; None before the first load."""


@final
class EvaluationDoor:
    """Answers evaluations, one or several. `report` gets what nobody foresaw in one of several."""

    def __init__(
        self,
        decider: Decider,
        authentication: Authentication,
        vocabulary: Vocabulary,
        schema: CurrentSchema,
        report: Report,
    ) -> None:
        self._decider = decider
        self._authentication = authentication
        self._vocabulary = vocabulary
        self._schema = schema
        self._report = report

    def evaluate(self, ask: HttpAsk) -> Answered:
        """`POST /access/v1/evaluation`."""
        request_id = read_request_id(ask.headers) or new_request_id()
        try:
            evaluation = read_evaluation(ask.json())
            verdict = self._decide(evaluation, read_speaker(ask, self._authentication), request_id)
        except CallRefused as error:
            return answer_refusal(error, ask, request_id)
        return Answered((verdict,), ok(decision(verdict, request_id)))

    def evaluate_all(self, ask: HttpAsk) -> Answered:
        """`POST /access/v1/evaluations`."""
        request_id = read_request_id(ask.headers) or new_request_id()
        try:
            evaluations = read_evaluations(ask.json())
            if evaluations.single:
                return self._single(evaluations.items[0], read_speaker(ask, self._authentication), request_id)
            made = list(self._several(evaluations, self._speaker_of_several(ask), request_id))
        except CallRefused as error:
            return answer_refusal(error, ask, request_id)
        decisions = [decision(verdict, request_id, error) for verdict, error in made]
        return Answered(tuple(verdict for verdict, _ in made), ok({"evaluations": decisions}))

    def _single(self, item: Evaluation | MessageError, speaker: Speaker, request_id: str) -> Answered:
        """A request without a list is answered as one evaluation is, and refused as one."""
        if isinstance(item, MessageError):
            raise item
        verdict = self._decide(item, speaker, request_id)
        return Answered((verdict,), ok(decision(verdict, request_id)))

    def _speaker_of_several(self, ask: HttpAsk) -> Speaker | NotReady:
        """What the caller may say; or why that is not known yet: each item's deny, no error of the request."""
        try:
            return read_speaker(ask, self._authentication)
        except NotReady as error:
            return error

    def _several(
        self, evaluations: Evaluations, speaker: Speaker | NotReady, request_id: str
    ) -> Iterator[tuple[Verdict, CallRefused | None]]:
        """The verdicts in order, up to and with the one that ends the list; and what is wrong with the question."""
        for item in evaluations.items:
            verdict, error = self._guarded(item, speaker, request_id)
            yield verdict, error
            if evaluations.semantic is _ENDED_BY[verdict.decision]:
                return

    def _guarded(
        self, item: Evaluation | MessageError, speaker: Speaker | NotReady, request_id: str
    ) -> tuple[Verdict, CallRefused | None]:
        """INVARIANT: never raises. One item that fails must not take the others' answers along."""
        if isinstance(item, MessageError):
            return item.verdict(), item
        if isinstance(speaker, NotReady):
            return speaker.verdict(), speaker
        try:
            return self._decide(item, speaker, request_id), None
        except CallRefused as error:
            return error.verdict(), error
        except Exception as error:  # the last line of defence of one item
            self._report("authzen_item", error)
            return FAILED, None

    def _decide(self, evaluation: Evaluation, speaker: Speaker, request_id: str) -> Verdict:
        schema = self._schema()
        if schema is None:
            raise NotReady("the decision point has not loaded its policies yet")
        return self._decider.decide(self._vocabulary.question(evaluation, speaker, schema, request_id))


_ENDED_BY = {Decision.DENY: Semantic.DENY_ON_FIRST_DENY, Decision.ALLOW: Semantic.PERMIT_ON_FIRST_PERMIT}


def answer_refusal(error: CallRefused, ask: HttpAsk, request_id: str) -> Answered:
    """A refused request: an HTTP error, or a deny where AuthZEN knows no error."""
    note_request(request_id)
    verdict = error.verdict()
    status = error_status(error)
    if status is None:
        return Answered((verdict,), ok(decision(verdict, request_id)))
    shown = bool(values_of(ask.headers, "authorization"))
    return Answered((verdict,), refused(error, status, credential_shown=shown))
