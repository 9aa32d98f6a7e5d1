"""`Explain`: a question answered, with the policies that it is about and the facts that they saw.

It shows what the principal may have no right to know: the text of policies, posture, whether an entity exists. Who may
see it is decided by policies about callers: by default those on this machine, and there only where the configuration
says so, since a forwarder on this machine makes all of its clients look local.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final, TypeAlias, final

from pdp.cedar.response import PolicyError
from pdp.cedar.source import Source, Span
from pdp.engine.decider import CheckRequest, ReasonClass, Verdict, deny
from pdp.engine.explaining import Explained, Explanation, Outcome, Part
from pdp.telemetry.observing import note_request
from pdp.transport.admission import REFUSED
from pdp.transport.callers import Caller
from pdp.transport.challenges import Challenge
from pdp.transport.errors import CallRefused, challenge_of
from pdp.transport.grpc import convert, messages
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.service import DecisionService
from pdp.transport.request_ids import new_request_id

MAX_POLICIES: Final = 256
"""Policies that are shown of one request."""

MAX_TEXT: Final = 1024
"""Characters that are shown of one part of a policy."""

LAST_RESORT: Final = pb.ExplainResponse(
    answer=convert.write_response(deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied"), "")
).SerializeToString()
"""The answer when no answer could be made."""

CALLER_REFUSED: Final = pb.ExplainResponse(answer=convert.write_response(REFUSED, "")).SerializeToString()
"""The answer to a caller that may not have answers explained."""

Explainer: TypeAlias = Callable[[CheckRequest], Explanation]
"""Decides and explains; `pdp.engine.explaining.Explaining.explain` is the real one."""

_OUTCOMES: Final[Mapping[Outcome, pb.Outcome]] = {
    Outcome.ERROR: pb.OUTCOME_ERROR,
    Outcome.SATISFIED: pb.OUTCOME_SATISFIED,
    Outcome.NEAR_MISS: pb.OUTCOME_NEAR_MISS,
    Outcome.NOT_IN_FORCE: pb.OUTCOME_NOT_IN_FORCE,
    Outcome.NOT_SATISFIED: pb.OUTCOME_NOT_SATISFIED,
    Outcome.OUT_OF_SCOPE: pb.OUTCOME_OUT_OF_SCOPE,
}


@final
class ExplainService:
    """Answers `Explain`."""

    def __init__(self, decisions: DecisionService, explainer: Explainer) -> None:
        self._decisions = decisions
        self._explainer = explainer

    def explain(self, data: bytes, caller: Caller) -> tuple[Verdict, bytes]:
        """The verdict on a serialized CheckRequest and the serialized ExplainResponse."""
        request_id = ""
        own: Challenge | None = None
        try:
            message = convert.parse_request(data)
            request_id = convert.read_request_id(message) or new_request_id()
            note_request(request_id)
            subject = self._decisions.credentials(caller).subject(message)
            explanation = self._explainer(convert.read_request(message, subject, request_id))
        except CallRefused as error:
            explanation, own = Explanation(error.verdict()), challenge_of(error)
        response = write_explanation(explanation, request_id or new_request_id(), own)
        return explanation.verdict, response.SerializeToString()


def write_explanation(explanation: Explanation, request_id: str, own: Challenge | None = None) -> pb.ExplainResponse:
    """The explanation as a message. `own` is the challenge of the refusal that it is of, if it is of one."""
    response = pb.ExplainResponse(
        answer=convert.write_response(explanation.verdict, request_id, own),
        policies=map(_write_explained, islice(explanation.policies, MAX_POLICIES)),
        policies_left_out=max(0, len(explanation.policies) - MAX_POLICIES),
    )
    if explanation.enriched is not None:
        request = explanation.enriched.request
        response.principal.CopyFrom(messages.write_uid(request.principal))
        response.context.CopyFrom(messages.write_record(request.context))
    return response


def _write_explained(item: Explained) -> pb.PolicyExplanation:
    policy, error = item.policy, item.error
    return pb.PolicyExplanation(
        id=policy.id,
        effect=convert.EFFECTS[policy.effect],
        outcome=_OUTCOMES[item.outcome],
        determining=item.determining,
        place=_write_place(policy.source, policy.span),
        part=None if item.part is None else _write_part(item.part, policy.source),
        outside=None if item.outside is None else item.outside.value,
        error=None if error is None else convert.write_error(PolicyError(policy.id, error.kind, error.message)),
        grant_status=None if item.grant is None else item.grant.value,
    )


def _write_part(part: Part, source: Source | None) -> pb.Part:
    span = part.expr.span
    message = pb.Part(
        condition=part.condition.kind.value,
        text=None if source is None or span is None else source.excerpt(span)[:MAX_TEXT],
        place=_write_place(source, span),
    )
    if part.value is not None:
        message.value = part.value
    return message


def _write_place(source: Source | None, span: Span | None) -> pb.Place | None:
    if source is None or span is None:
        return None
    line, column = source.position(span.start)
    return pb.Place(file=source.name, line=line, column=column)
