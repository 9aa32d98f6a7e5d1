"""The only table from reason classes to the statuses of protocols.

gRPC's own status is always OK for a decision: a gRPC error would let Envoy's `failure_mode_allow` turn a deny into an
allow. The statuses here go *inside* the ext_authz answer.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import grpc

from pdp.engine.decider import ReasonClass


class Status(NamedTuple):
    """An HTTP status for the client and a gRPC code for Envoy's access log."""

    http: int
    code: int


def _status(http: int, code: grpc.StatusCode) -> Status:
    return Status(http, code.value[0])


_DENIED: Final = _status(403, grpc.StatusCode.PERMISSION_DENIED)
_UNAUTHENTICATED: Final = _status(401, grpc.StatusCode.UNAUTHENTICATED)
# 503, because asking again later can help. The code stays one that no version of Envoy reads as its own failure.
_UNAVAILABLE: Final = _status(503, grpc.StatusCode.PERMISSION_DENIED)

STATUS: Final[Mapping[ReasonClass, Status]] = {
    ReasonClass.ALLOWED: _status(200, grpc.StatusCode.OK),
    ReasonClass.FORBIDDEN: _DENIED,
    ReasonClass.NOT_PERMITTED: _DENIED,
    ReasonClass.POLICY_ERROR: _DENIED,
    ReasonClass.UNAUTHENTICATED: _UNAUTHENTICATED,
    ReasonClass.CALLER_NOT_ALLOWED: _DENIED,
    ReasonClass.INVALID_REQUEST: _DENIED,
    ReasonClass.CONTEXT_BEHIND: _UNAVAILABLE,
    ReasonClass.NOT_READY: _UNAVAILABLE,
    ReasonClass.INTERNAL: _UNAVAILABLE,
}
"""The status of each reason class; total."""

STEP_UP: Final = _UNAUTHENTICATED
"""The status of a deny that stronger authentication alone would lift (RFC 9470)."""
