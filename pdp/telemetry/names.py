"""Every metric name, in one place, with its labels. Dashboards and alerts are built on these: renaming one is a
breaking change.

Ages are published as the time of the last success: `time() - pdp_policy_load_timestamp_seconds` is the age.
"""

from typing import Final

DECISION_SECONDS: Final = "pdp_decision_seconds"
"""Histogram {door}: from the request's bytes to the answer's bytes, without the network; of a batch, for each of its
questions by itself."""

DECISIONS: Final = "pdp_decisions_total"
"""Counter {door, decision, reason}: answers by decision (allow, deny) and reason class."""

EVALUATION_ERRORS: Final = "pdp_evaluation_errors_total"
"""Counter {kind}: policies that could not be evaluated, by kind of error, over all requests."""

IDENTITY_FAILURES: Final = "pdp_identity_failures_total"
"""Counter {cause}: credentials that were refused, by cause."""

UNEXPECTED_ERRORS: Final = "pdp_unexpected_errors_total"
"""Counter {place}: exceptions that nobody foresaw. Each was answered with a deny or an error; each is a defect."""

POLICY_LOADS: Final = "pdp_policy_load_total"
"""Counter {outcome}: readings of the policy bundle (ok, error)."""

CONTEXT_LOADS: Final = "pdp_context_load_total"
"""Counter {outcome}: readings of the fact files (ok, error)."""

KEY_LOADS: Final = "pdp_key_load_total"
"""Counter {outcome}: readings of the key set that tokens are verified with (ok, error)."""

ROUTE_LOADS: Final = "pdp_route_load_total"
"""Counter {outcome}: readings of the route table (ok, error)."""

RELOADS: Final = "pdp_reload_total"
"""Counter {outcome}: attempts to put a new state in place of the running one, the first load included (ok, error)."""

LOAD_ERRORS: Final = "pdp_load_errors_total"
"""Counter {code}: failed attempts by the code of the error, for example `policy_syntax`."""

POLICY_REVISION: Final = "pdp_policy_revision_info"
"""Gauge {revision}, always 1: the policy revision that answers now. No series before the first load."""

POLICY_LOADED_AT: Final = "pdp_policy_load_timestamp_seconds"
"""Gauge: when the policies that answer now were put in place, in seconds since 1970; 0 before the first load."""

CONTEXT_REVISION: Final = "pdp_context_revision"
"""Gauge: the context revision that answers now."""

CONTEXT_LOADED_AT: Final = "pdp_context_load_timestamp_seconds"
"""Gauge: when the facts that answer now were put in place, in seconds since 1970; 0 before the first load."""

READY: Final = "pdp_ready"
"""Gauge: 1 when requests are decided by policies, 0 before the first load and while stopping."""
