"""Whether entities and requests are as a schema declares them (`Cedar/Validation/EntityConformance.lean`).

Both checks are part of every request: `Schema` answers yes or no from what it has prepared, and only a no is explained.
"""

from pdp.cedar.entities import Entity
from pdp.cedar.errors import ConformanceError
from pdp.cedar.request import Request
from pdp.cedar.schema.faults import Fault, entity_faults, request_faults
from pdp.cedar.schema.model import Schema


def check_entity(schema: Schema, entity: Entity) -> None:
    """Returns if the schema accepts an entity, or raises ConformanceError.

    Its type is declared, every required attribute present and none undeclared, each value of its type, and so are the
    tags; ids of enumerated types and of actions are declared wherever they stand; each parent and ancestor is of an
    allowed type. An action has exactly the groups of its declaration, and nothing else.
    """
    if not schema.accepts_entity(entity):
        raise refusal(next(entity_faults(schema, entity)))


def check_request(schema: Schema, request: Request) -> None:
    """Returns if the schema accepts a request, or raises ConformanceError.

    The action is declared and applies to principals and resources of these types, ids of enumerated types are declared,
    and the context is exactly of the declared type. The entities need not exist.
    """
    if not schema.accepts_request(request):
        raise refusal(next(request_faults(schema, request)))


def refusal(fault: Fault) -> ConformanceError:
    """The error for a fault, without a place."""
    return ConformanceError(fault.message, help=fault.help)
