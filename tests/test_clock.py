"""The real clock is in milliseconds."""

import time

from pdp.clock import Clock, now_ms


def test_now_is_in_milliseconds_since_1970() -> None:
    clock: Clock = now_ms
    assert abs(clock() - time.time() * 1000) < 1000
