"""The answer with its diagnostics (`Cedar/Spec/Response.lean`)."""

from dataclasses import dataclass
from enum import Enum, unique
from typing import NoReturn, final

from pdp.cedar.errors import ErrorKind


@unique
class Decision(Enum):
    """Allow or deny. Has no truth value: `bool(Decision.DENY)` would be True for a plain Enum, and an open door."""

    ALLOW = "allow"
    DENY = "deny"

    def __bool__(self) -> NoReturn:
        raise TypeError("a Decision has no truth value; compare it: `decision is Decision.ALLOW`")


@final
@dataclass(frozen=True, slots=True)
class PolicyError:
    """A policy whose condition had no value; the policy was skipped."""

    policy_id: str
    kind: ErrorKind
    message: str


@final
@dataclass(frozen=True, slots=True)
class Response:
    """The decision, the policies that determined it, and every policy that failed. Order carries no meaning."""

    decision: Decision
    reasons: frozenset[str]
    errors: tuple[PolicyError, ...] = ()

    @property
    def erroring(self) -> frozenset[str]:
        """Ids of the policies that failed."""
        return frozenset(error.policy_id for error in self.errors)
