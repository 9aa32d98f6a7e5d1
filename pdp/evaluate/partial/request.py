"""Requests of which only a part is known, and which whole requests complete them."""

from dataclasses import dataclass
from typing import Final, TypeAlias, final

from pdp.cedar.entities import Entities
from pdp.cedar.errors import CedarError
from pdp.cedar.request import Request
from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record, brief, equal

_NO_NAMES: Final[frozenset[str]] = frozenset()


class PartialRequestError(CedarError):
    """A partial request that contradicts itself, or a request that does not complete it."""

    code = "partial_request"


@final
@dataclass(frozen=True, slots=True)
class Unknown:
    """An entity that is not known: any one, any of one `type`, or any of these that is in the store (`stored`)."""

    type: str | None = None
    stored: bool = False


EntityOrUnknown: TypeAlias = EntityUID | Unknown


@final
@dataclass(frozen=True, slots=True)
class PartialContext:
    """A context of which only a part is known.

    known     attributes and their values
    present   attributes that are there; their values are not known
    optional  attributes that may be there
    others    whether attributes that are not named here may be there, too

    Attributes are known or not as a whole. Raises PartialRequestError for a name that is given twice.
    """

    known: Record = EMPTY_RECORD
    present: frozenset[str] = _NO_NAMES
    optional: frozenset[str] = _NO_NAMES
    others: bool = False

    def __post_init__(self) -> None:
        known = self.known.fields.keys()
        twice = (known & self.present) | (known & self.optional) | (self.present & self.optional)
        if twice:
            raise PartialRequestError(
                f"the context has the attribute {brief(min(twice))} twice",
                help="an attribute is known, present or optional",
            )

    @property
    def named(self) -> frozenset[str]:
        """All attributes that are known, present or optional."""
        return self.present | self.optional | self.known.fields.keys()

    def admits(self, other: "PartialContext") -> bool:
        """Whether every context that completes the other one completes this one, too."""
        theirs = other.known.fields
        return (
            all(name in theirs and equal(value, theirs[name]) for name, value in self.known.fields.items())
            and self.present <= other.present | theirs.keys()
            and (self.others or (not other.others and other.named <= self.named))
        )


UNKNOWN_CONTEXT: Final = PartialContext(others=True)
"""A context of which nothing is known."""


@final
@dataclass(frozen=True, slots=True)
class PartialRequest:
    """A request in which each of the four may be unknown, the context in part. By default everything is."""

    principal: EntityOrUnknown = Unknown()
    action: EntityOrUnknown = Unknown()
    resource: EntityOrUnknown = Unknown()
    context: PartialContext = UNKNOWN_CONTEXT

    @staticmethod
    def of(request: Request) -> "PartialRequest":
        """A request of which everything is known."""
        return PartialRequest(request.principal, request.action, request.resource, PartialContext(request.context))

    def admits(self, other: "PartialRequest", entities: Entities) -> bool:
        """Whether every request that completes the other one completes this one, too."""
        return (
            _admits(self.principal, other.principal, entities)
            and _admits(self.action, other.action, entities)
            and _admits(self.resource, other.resource, entities)
            and self.context.admits(other.context)
        )

    def completed_by(self, request: Request, entities: Entities) -> bool:
        """Whether a request has what is known here, and something that is possible for the rest."""
        return self.admits(PartialRequest.of(request), entities)


def _admits(mine: EntityOrUnknown, other: EntityOrUnknown, entities: Entities) -> bool:
    if isinstance(mine, EntityUID):
        return mine == other
    if mine.type is not None and mine.type != other.type:
        return False
    return not mine.stored or (other in entities if isinstance(other, EntityUID) else other.stored)
