"""The question: may this principal do this action on this resource, in this context?"""

from dataclasses import dataclass
from typing import final

from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record


@final
@dataclass(frozen=True, slots=True)
class Request:
    """A Cedar request. The three entities need not be in the store."""

    principal: EntityUID
    action: EntityUID
    resource: EntityUID
    context: Record = EMPTY_RECORD
