"""Verdicts and errors in AuthZEN's form. Everything beside the decision stands in its `context`:

reason, message        the reason class, and why in words
policies               the ids of the policies that determined the decision
obligations            `{id, type, properties}` each; a PEP that cannot comply with one must deny
acr_values, max_age    what a stronger authentication must be, where that alone would help (RFC 9470)
errors                 policies that could not be evaluated
policy_revision, context_revision, valid_until, request_id
error                  `{status, message}`, where the evaluation could not be made: the request is at fault
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pdp.cedar.ext.datetime import format as format_datetime
from pdp.cedar.response import Decision
from pdp.cedar.values import Datetime
from pdp.engine.decider import Obligation, ReasonClass, Verdict, deny
from pdp.transport.admission import REFUSED
from pdp.transport.challenges import BARE
from pdp.transport.errors import CallRefused, MessageError, Unauthenticated
from pdp.transport.http.authzen.speakers import NotEntitled
from pdp.transport.http.endpoint import BodyError, HttpReply
from pdp.transport.http_reply import challenge, step_up, step_up_terms

_HEADERS: Final[Mapping[str, str]] = {"content-type": "application/json", "cache-control": "no-store"}

FAILED: Final = deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied")
"""The verdict when none could be found."""


def error_status(error: CallRefused) -> int | None:
    """The HTTP status of a refusal of the whole request; None for one that AuthZEN answers with a deny."""
    match error:
        case BodyError():
            return error.status
        case MessageError():
            return 400
        case Unauthenticated():
            return 401
        case NotEntitled():
            return 403
        case _:
            return None


def decision(verdict: Verdict, request_id: str, error: CallRefused | None = None) -> dict[str, Any]:
    """A decision object. `error` is why the evaluation could not be made."""
    context: dict[str, Any] = {"reason": verdict.reason.value, "message": verdict.message}
    if verdict.policies:
        context["policies"] = [policy.id for policy in verdict.policies]
    if verdict.obligations:
        context["obligations"] = [_obligation(number, duty) for number, duty in enumerate(verdict.obligations, 1)]
    terms = step_up_terms(step_up(verdict))
    context |= {name: int(term) if name == "max_age" else term for name, term in terms.items()}
    if verdict.errors:
        context["errors"] = [
            {"policy": failed.policy_id, "kind": failed.kind.value, "message": failed.message}
            for failed in verdict.errors
        ]
    if verdict.policy_revision:
        context |= {"policy_revision": verdict.policy_revision, "context_revision": verdict.context_revision}
    if verdict.valid_until is not None:
        context["valid_until"] = format_datetime(Datetime(verdict.valid_until))
    context["request_id"] = request_id
    if error is not None and (status := error_status(error)) is not None:
        context["error"] = {"status": status, "message": error.message}
    return {"decision": verdict.decision is Decision.ALLOW, "context": context}


def _obligation(number: int, duty: Obligation) -> dict[str, Any]:
    properties = {"argument": duty.argument, "policy": duty.policy_id}
    return {"id": f"obligation-{number}", "type": duty.kind, "properties": properties}


def ok(body: Mapping[str, Any]) -> HttpReply:
    """The reply to a request that was understood."""
    return HttpReply(200, _HEADERS, json.dumps(body).encode("ascii"))


def refused(error: CallRefused, status: int, *, credential_shown: bool) -> HttpReply:
    """The reply to a request that is at fault as a whole. `credential_shown`: it had an `Authorization` header."""
    headers = dict(_HEADERS)
    if status == 401:
        demand = challenge(error.verdict(), shown=True) if credential_shown else None
        headers["www-authenticate"] = demand or BARE
    return _error(status, error.message, headers)


def _error(status: int, message: str, headers: Mapping[str, str]) -> HttpReply:
    return HttpReply(status, headers, json.dumps({"error": {"status": status, "message": message}}).encode("ascii"))


LAST_DECISION: Final = ok(decision(FAILED, ""))
"""The reply when a single evaluation could not be answered: a deny."""

CALLER_REFUSED: Final = _error(403, REFUSED.message, _HEADERS)
"""The reply to a caller that may not ask."""

LAST_LIST: Final = _error(500, FAILED.message, _HEADERS)
"""The reply when a list of evaluations or results could not be made. There is no deny for a list of unknown length; an
error and no list is one for every PEP that reads the specification."""
