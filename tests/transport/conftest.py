"""Fixtures of every door."""

import pytest
from callers import admission
from doors import FakeDecider, FakeVerifier, Reports, an_allow

from pdp.telemetry.metrics import Metrics
from pdp.transport.authentication import Authentication


@pytest.fixture
def decider() -> FakeDecider:
    """A decider that allows."""
    return FakeDecider(an_allow())


@pytest.fixture
def metrics() -> Metrics:
    """Metrics of this test alone."""
    return Metrics()


@pytest.fixture
def reports() -> Reports:
    """A report that remembers."""
    return Reports()


@pytest.fixture
def authentication(metrics: Metrics) -> Authentication:
    """Knows the token `good`, at 1,000,000 ms; accepts assertions from this machine."""
    made = Authentication(lambda: 1_000_000, metrics, admission(metrics))
    made.verifier = FakeVerifier()
    return made
