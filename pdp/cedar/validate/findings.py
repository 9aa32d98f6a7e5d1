"""What the validator has to say: of which policy, how bad it is, where, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeAlias, final

from pdp.cedar.errors import CedarError
from pdp.cedar.policy import Policy
from pdp.cedar.source import Source, Span
from pdp.cedar.validate.environment import Environment


@unique
class Severity(Enum):
    """An error fails the policy; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@unique
class Code(Enum):
    """What is wrong, in one stable word."""

    UNKNOWN_TYPE = "unknown_entity_type"
    UNKNOWN_ACTION = "unknown_action"
    UNKNOWN_ID = "unknown_enum_id"
    NEVER_APPLIES = "never_applicable"
    TYPE = "unexpected_type"
    INCOMPATIBLE = "incompatible_types"
    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    UNGUARDED_ATTRIBUTE = "unguarded_attribute"
    UNKNOWN_TAG = "no_tags"
    UNGUARDED_TAG = "unguarded_tag"
    EMPTY_SET = "empty_set"
    ARITY = "wrong_number_of_arguments"
    NOT_LITERAL = "constructor_needs_literal"
    BAD_LITERAL = "bad_literal"
    UNKNOWN_FUNCTION = "unknown_function"
    LEVEL = "level_exceeded"
    IMPOSSIBLE = "impossible_policy"
    CONFUSABLE = "confusable_text"


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, before it has a place. `operand` is the number of the one at fault; None is the expression itself.

    A rule of types returns one in place of a type.
    """

    code: Code
    message: str
    help: str | None = None
    operand: int | None = None


Complain: TypeAlias = Callable[[Fault, Span | None], None]
"""Takes what is wrong with an expression, and its place."""


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one policy. `environment` is the first kind of request for which it was found, None for all."""

    policy_id: str
    severity: Severity
    code: Code
    message: str
    span: Span | None = None
    source: Source | None = None
    help: str | None = None
    environment: Environment | None = None

    def render(self) -> str:
        """The whole text for a person: place, message, the line with carets, for which request, help."""
        parts = [self.help] if self.help else []
        if self.environment is not None:
            parts.append(f"found for {self.environment}")
        text = f"{self.severity.value}[{self.code.value}] in policy `{self.policy_id}`: {self.message}"
        return CedarError(text, span=self.span, source=self.source, help="; ".join(parts) or None).render()


def finding(
    policy: Policy,
    fault: Fault,
    span: Span | None = None,
    *,
    severity: Severity = Severity.ERROR,
    environment: Environment | None = None,
) -> Finding:
    """A finding of a policy, at the policy itself unless a span is given."""
    place = span or policy.span
    return Finding(policy.id, severity, fault.code, fault.message, place, policy.source, fault.help, environment)
