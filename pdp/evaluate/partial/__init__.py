"""Partial evaluation: what can be said of a decision while parts of the request are not known.

Read in this order: `request` (what is asked), `response` (what is answered), `shapes`, `unknowns` and `world` (what is
known of values that are not), `residual`, `rules` and `reduce` (expressions; the table of rules), `policies`,
`deciding`, and `allowed` (lists).
"""

from pdp.evaluate.partial.allowed import allowed_actions, allowed_principals, allowed_resources
from pdp.evaluate.partial.deciding import partial_authorize, refine
from pdp.evaluate.partial.request import (
    UNKNOWN_CONTEXT,
    PartialContext,
    PartialRequest,
    PartialRequestError,
    Unknown,
)
from pdp.evaluate.partial.response import Outcome, PartialResponse

__all__ = [
    "UNKNOWN_CONTEXT",
    "Outcome",
    "PartialContext",
    "PartialRequest",
    "PartialRequestError",
    "PartialResponse",
    "Unknown",
    "allowed_actions",
    "allowed_principals",
    "allowed_resources",
    "partial_authorize",
    "refine",
]
