"""An answer as the command line prints it, whether a server or this process gave it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from rich.text import Text

from pdp.cedar.ext.datetime import format as format_datetime
from pdp.cedar.response import Decision
from pdp.cedar.values import Datetime
from pdp.cedar.wire.strict_json import Json
from pdp.cli import exits
from pdp.cli.output import labelled, plain
from pdp.engine.decider import Verdict


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in words.

    `policies` are (id, effect, annotations), `errors` (policy id, kind, message), `obligations` (kind, argument, policy
    id); `valid_until` is in milliseconds since 1970 UTC.
    """

    allowed: bool
    reason: str
    message: str
    policies: tuple[tuple[str, str, Mapping[str, str]], ...]
    errors: tuple[tuple[str, str, str], ...]
    obligations: tuple[tuple[str, str, str], ...]
    policy_revision: str
    context_revision: int
    valid_until: int | None
    request_id: str = ""

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        return exits.OK if self.allowed else exits.DENIED


def answer_of(verdict: Verdict) -> Answer:
    """The verdict in words."""
    return Answer(
        allowed=verdict.decision is Decision.ALLOW,
        reason=verdict.reason.value,
        message=verdict.message,
        policies=tuple((policy.id, policy.effect.value, policy.annotations) for policy in verdict.policies),
        errors=tuple((error.policy_id, error.kind.value, error.message) for error in verdict.errors),
        obligations=tuple((duty.kind, duty.argument, duty.policy_id) for duty in verdict.obligations),
        policy_revision=verdict.policy_revision,
        context_revision=verdict.context_revision,
        valid_until=verdict.valid_until,
    )


def render(answer: Answer) -> list[Text]:
    """The answer for people, line by line: the decision first, and nothing that is not there."""
    word, style = ("ALLOW", "bold green") if answer.allowed else ("DENY", "bold red")
    lines = [Text.assemble((word, style), f"  {plain(answer.reason)}: {plain(answer.message)}")]
    lines += [labelled(effect, id) for id, effect, _ in answer.policies]
    lines += [labelled("error", f"{id}: {kind}: {message}", "yellow") for id, kind, message in answer.errors]
    for kind, argument, id in answer.obligations:
        lines.append(labelled("obligation", f"{kind}: {argument}  ({id})" if argument else f"{kind}  ({id})"))
    if answer.valid_until is not None:
        lines.append(labelled("valid until", _instant(answer.valid_until)))
    if answer.policy_revision:
        lines.append(labelled("policies", f"revision {answer.policy_revision}"))
    if answer.context_revision:
        lines.append(labelled("facts", f"revision {answer.context_revision}"))
    if answer.request_id:
        lines.append(labelled("request", answer.request_id))
    return lines


def to_json(answer: Answer) -> dict[str, Json]:
    """The answer for programs. Every key is always there."""
    return {
        "decision": "allow" if answer.allowed else "deny",
        "reason": answer.reason,
        "message": answer.message,
        "policies": [
            {"id": id, "effect": effect, "annotations": dict(annotations)}
            for id, effect, annotations in answer.policies
        ],
        "errors": [{"policy": id, "kind": kind, "message": message} for id, kind, message in answer.errors],
        "obligations": [
            {"kind": kind, "argument": argument, "policy": id} for kind, argument, id in answer.obligations
        ],
        "policy_revision": answer.policy_revision,
        "context_revision": answer.context_revision,
        "valid_until": None if answer.valid_until is None else _instant(answer.valid_until),
        "request_id": answer.request_id,
    }


def _instant(milliseconds: int) -> str:
    return format_datetime(Datetime(milliseconds))
