"""The one interface of the engine: a `Decider` answers a `CheckRequest` with a `Verdict`. Nothing else lives here.

Every stage of the chain is a `Decider` around another (see `chain`). A decider never raises: whatever goes wrong is a
deny with a reason class.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Protocol, final

from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision, PolicyError
from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record
from pdp.identity.subject import Subject


@unique
class ReasonClass(Enum):
    """Why, in one word: a closed list, fit for a metric label. Only ALLOWED goes with an allow."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    NOT_PERMITTED = "not_permitted"
    POLICY_ERROR = "policy_error"
    UNAUTHENTICATED = "unauthenticated"
    CALLER_NOT_ALLOWED = "caller_not_allowed"
    INVALID_REQUEST = "invalid_request"
    CONTEXT_BEHIND = "context_behind"
    NOT_READY = "not_ready"
    INTERNAL = "internal_error"


@final
@dataclass(frozen=True, slots=True)
class CheckRequest:
    """One question, as a PEP asks it.

    `context` holds what the PEP says of the request; the names in `enrich.OWNED` are the engine's own and refused
    here. `resource_facts` are attributes that the PEP states of the resource; a stored fact wins. `min_revision` is the
    oldest context revision that the caller will take an answer from.
    """

    subject: Subject
    action: EntityUID
    resource: EntityUID
    context: Record = EMPTY_RECORD
    device: EntityUID | None = None
    min_revision: int = 0
    request_id: str = ""
    resource_facts: Record = EMPTY_RECORD


@final
@dataclass(frozen=True, slots=True)
class DeterminingPolicy:
    """A policy that decided: its id, effect and annotations (a bare `@name` reads as "")."""

    id: str
    effect: Effect
    annotations: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Obligation:
    """What the PEP must do with this answer. From `@obligation("kind:argument")` of a determining policy."""

    kind: str
    argument: str
    policy_id: str


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """An explained answer.

    `message` is for people and safe to show to the caller. `valid_until` is the first instant, in milliseconds since
    1970 UTC, at which the same question may have another answer although neither revision changed; None if time alone
    changes nothing.
    """

    decision: Decision
    reason: ReasonClass
    message: str
    policies: tuple[DeterminingPolicy, ...] = ()
    errors: tuple[PolicyError, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    policy_revision: str = ""
    context_revision: int = 0
    valid_until: int | None = None


class Decider(Protocol):
    """Anything that answers a check."""

    def decide(self, request: CheckRequest) -> Verdict:
        """The answer. Never raises."""
        ...


def deny(reason: ReasonClass, message: str, *, policy_revision: str = "", context_revision: int = 0) -> Verdict:
    """A deny that no policy made."""
    return Verdict(
        Decision.DENY,
        reason,
        message,
        policy_revision=policy_revision,
        context_revision=context_revision,
    )
