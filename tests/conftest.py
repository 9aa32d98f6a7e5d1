"""Hypothesis profiles: `default` for every run, `nightly` (--hypothesis-profile=nightly) for the long one."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "default", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
settings.register_profile(
    "nightly", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], max_examples=200_000
)
settings.load_profile("default")
