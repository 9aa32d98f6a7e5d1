"""The metrics: names, labels, and that nothing outside makes a new series."""

import re

import pytest

from pdp.telemetry import names
from pdp.telemetry.metrics import CONTENT_TYPE, LATENCY_BUCKETS, Door, LoadKind, Metrics


def lines(metrics: Metrics, name: str) -> set[str]:
    return {line for line in metrics.exposition().decode().splitlines() if re.match(rf"{name}[{{ ]", line)}


def test_decisions_are_counted_by_door_decision_and_reason() -> None:
    metrics = Metrics()
    metrics.decided(Door.CHECK, "deny", "forbidden", 3e-6)
    metrics.decided(Door.CHECK, "deny", "forbidden", 3e-6)
    metrics.decided(Door.EXT_AUTHZ, "allow", "allowed", 0.3)
    assert lines(metrics, names.DECISIONS) == {
        'pdp_decisions_total{decision="deny",door="check",reason="forbidden"} 2.0',
        'pdp_decisions_total{decision="allow",door="ext_authz",reason="allowed"} 1.0',
    }


def test_latency_falls_into_buckets_from_a_microsecond_to_a_second() -> None:
    metrics = Metrics()
    metrics.decided(Door.CHECK, "allow", "allowed", 3e-6)
    buckets = lines(metrics, f"{names.DECISION_SECONDS}_bucket")
    assert 'pdp_decision_seconds_bucket{door="check",le="2e-06"} 0.0' in buckets
    assert 'pdp_decision_seconds_bucket{door="check",le="5e-06"} 1.0' in buckets
    assert (LATENCY_BUCKETS[0], LATENCY_BUCKETS[-1]) == (1e-6, 1.0)
    assert list(LATENCY_BUCKETS) == sorted(set(LATENCY_BUCKETS))


def test_a_new_policy_revision_takes_the_place_of_the_old_one() -> None:
    metrics = Metrics()
    metrics.reloaded("aa", 1, 1_000)
    metrics.reloaded("bb", 2, 2_500)
    assert lines(metrics, names.POLICY_REVISION) == {'pdp_policy_revision_info{revision="bb"} 1.0'}
    assert lines(metrics, names.CONTEXT_REVISION) == {"pdp_context_revision 2.0"}
    assert lines(metrics, names.POLICY_LOADED_AT) == {"pdp_policy_load_timestamp_seconds 2.5"}
    assert lines(metrics, names.RELOADS) == {
        'pdp_reload_total{outcome="ok"} 2.0',
        'pdp_reload_total{outcome="error"} 0.0',
    }


def test_a_failed_load_counts_by_kind_and_code() -> None:
    metrics = Metrics()
    metrics.loaded(LoadKind.POLICY, ok=False)
    metrics.loaded(LoadKind.CONTEXT, ok=True)
    metrics.reload_failed("policy_syntax")
    assert 'pdp_policy_load_total{outcome="error"} 1.0' in lines(metrics, names.POLICY_LOADS)
    assert 'pdp_context_load_total{outcome="ok"} 1.0' in lines(metrics, names.CONTEXT_LOADS)
    assert lines(metrics, names.LOAD_ERRORS) == {'pdp_load_errors_total{code="policy_syntax"} 1.0'}


def test_failures_by_cause_kind_and_place() -> None:
    metrics = Metrics()
    metrics.identity_failed("expired")
    metrics.evaluation_errors(["overflow", "overflow"])
    metrics.unexpected("check")
    assert lines(metrics, names.IDENTITY_FAILURES) == {'pdp_identity_failures_total{cause="expired"} 1.0'}
    assert lines(metrics, names.EVALUATION_ERRORS) == {'pdp_evaluation_errors_total{kind="overflow"} 2.0'}
    assert lines(metrics, names.UNEXPECTED_ERRORS) == {'pdp_unexpected_errors_total{place="check"} 1.0'}


@pytest.mark.parametrize("ready", [True, False])
def test_readiness_is_a_gauge(ready: bool) -> None:
    metrics = Metrics()
    metrics.ready(ready=ready)
    assert lines(metrics, names.READY) == {f"pdp_ready {float(ready)}"}


def test_two_decision_points_in_a_process_do_not_share_a_registry() -> None:
    one, other = Metrics(), Metrics()
    one.unexpected("check")
    assert lines(other, names.UNEXPECTED_ERRORS) == set()
    assert CONTENT_TYPE.startswith("text/plain")


def test_every_exported_name_stands_in_the_list_of_names() -> None:
    exported = set(re.findall(r"^# TYPE (\S+) \S+$", Metrics().exposition().decode(), re.MULTILINE))
    listed = {value for key, value in vars(names).items() if key.isupper() and not key.startswith("SPAN_")}
    assert {name for name in exported if not name.endswith("_created")} == listed
