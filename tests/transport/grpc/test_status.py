"""The table of statuses is total, and only an allow is OK."""

import pytest

from pdp.engine.decider import ReasonClass
from pdp.transport.grpc.status import STATUS, STEP_UP


@pytest.mark.parametrize("reason", list(ReasonClass))
def test_only_allowed_is_ok(reason: ReasonClass) -> None:
    status = STATUS[reason]
    assert (status.code == 0) == (reason is ReasonClass.ALLOWED)
    assert (status.http == 200) == (reason is ReasonClass.ALLOWED)


def test_step_up_is_unauthenticated() -> None:
    assert STEP_UP == (401, 16)
