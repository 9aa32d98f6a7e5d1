"""Every name of a metric, with its labels, and of a span's attribute, in one place. Dashboards and alerts are built on
these: renaming one is a breaking change.

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

CONTEXT_CALLS: Final = "pdp_context_calls_total"
"""Counter {method, outcome}: calls that write facts or ask for their history (`write`, `believed`), by what came of
them: done, refused, caller_not_allowed, unavailable."""

IDENTITY_FAILURES: Final = "pdp_identity_failures_total"
"""Counter {cause}: credentials that were refused, by cause."""

KEY_FETCHES: Final = "pdp_key_fetches_total"
"""Counter {issuer, outcome}: fetches of an issuer's keys at a URL: `ok`, `unchanged`, or why there are none
(`connection`, `tls`, `timeout`, `http`, `redirect`, `unavailable`, `status`, `too_long`, `content`)."""

KEYS_CONFIRMED_AT: Final = "pdp_keys_confirmed_timestamp_seconds"
"""Gauge {issuer}: when an issuer last gave or confirmed its keys at a URL, in seconds since 1970; 0 before the first
time. When the age passes the issuer's `max_age`, its tokens are refused."""

INTROSPECTIONS: Final = "pdp_introspections_total"
"""Counter {outcome}: questions to an issuer about a token: `active`, `inactive`, or why there was no answer (as above,
and `busy`, `paused`)."""

TOKEN_CACHE: Final = "pdp_token_cache_total"  # noqa: S105  a metric and no password
"""Counter {outcome}: looks for a token among the verified ones that are remembered (hit, miss)."""

TOKENS_KEPT: Final = "pdp_tokens_kept"
"""Gauge: verified tokens that are remembered."""

REVOCATIONS: Final = "pdp_revocations"
"""Gauge: revocations in force, of the list and of those that were added."""

CALLERS_REFUSED: Final = "pdp_callers_refused_total"
"""Counter {action}: callers that may not do what they tried, by the action of the policies about callers."""

CERTIFICATE_EXPIRES_AT: Final = "pdp_certificate_expires_timestamp_seconds"
"""Gauge {server}: when the certificate that a server (grpc, http) shows expires, in seconds since 1970."""

CERTIFICATE_LOADS: Final = "pdp_certificate_load_total"
"""Counter {outcome}: readings of certificates, keys and client authorities (ok, error)."""

CALLER_POLICY_LOADS: Final = "pdp_caller_policy_load_total"
"""Counter {outcome}: readings of the policies about callers (ok, error)."""

UNEXPECTED_ERRORS: Final = "pdp_unexpected_errors_total"
"""Counter {place}: exceptions that nobody foresaw. Each was answered with a deny or an error; each is a defect."""

API_REQUESTS: Final = "pdp_api_requests_total"
"""Counter {route}: requests that proxies asked about, by what the inventory knows of them: known, deprecated_served;
and of those that are not served unknown, wrong_method, deprecated, ambiguous_path (it can be read in two ways)."""

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

BUILT_REFUSED: Final = "pdp_built_refused_total"
"""Counter {code}: built bundles that were passed over for their sources, by the code of the error, for example
`built_python`."""

POLICY_REVISION: Final = "pdp_policy_revision_info"
"""Gauge {revision}, always 1: the policy revision that answers now. No series before the first load."""

POLICY_LOADED_AT: Final = "pdp_policy_load_timestamp_seconds"
"""Gauge: when the policies that answer now were put in place, in seconds since 1970; 0 before the first load."""

CONTEXT_REVISION: Final = "pdp_context_revision"
"""Gauge: the context revision that answers now."""

CONTEXT_LOADED_AT: Final = "pdp_context_load_timestamp_seconds"
"""Gauge: when the facts that answer now were put in place, in seconds since 1970; 0 before the first load."""

CACHE_REQUESTS: Final = "pdp_cache_requests_total"
"""Counter {outcome}: requests by what the cache of decisions did: hit, miss, coalesced (a miss that another one's
evaluation answered) or uncacheable (no answer is kept for it, or policies and facts were just being replaced)."""

CACHE_INVALIDATED: Final = "pdp_cache_invalidated_total"
"""Counter: cached answers that a change made untrue. One is counted when it is asked for again: until then it only
takes space."""

CACHE_EVICTED: Final = "pdp_cache_evicted_total"
"""Counter: cached answers that went for want of space."""

CACHE_ENTRIES: Final = "pdp_cache_entries"
"""Gauge: answers that are cached."""

CACHE_BYTES: Final = "pdp_cache_bytes"
"""Gauge: the memory that they take, by the cache's own account."""

CACHE_LIMIT: Final = "pdp_cache_limit_bytes"
"""Gauge: the memory that they may take."""

WATCHERS: Final = "pdp_watchers"
"""Gauge: callers that watch which decisions may be others now."""

WATCH_EVENTS: Final = "pdp_watch_events_total"
"""Counter {kind}: events to watchers: that everything changed, that decisions about some entities did, or nothing."""

READY: Final = "pdp_ready"
"""Gauge: 1 when requests are decided by policies, 0 before the first load and while stopping."""

SPANS: Final = "pdp_spans_total"
"""Counter {outcome}: spans that were made, that the collector has taken (exported), and that it could not be made to
(failed). The rest is waiting, or was dropped because too many were."""

TRACES_REFUSED: Final = "pdp_traces_refused_total"
"""Counter: calls that were to be traced and were not, because there were more than the configured number in a second.
"""

SLOW_DECISIONS: Final = "pdp_slow_decisions_total"
"""Counter {door}: decisions that took at least as long as `slow_decisions.threshold`, logged or not."""

SPAN_DOOR: Final = "pdp.door"
"""The door, as in the label `door` of metrics."""

SPAN_DECISION: Final = "pdp.decision"
"""`allow` or `deny`."""

SPAN_REASON: Final = "pdp.reason"
"""The reason class."""

SPAN_DECISIONS: Final = "pdp.decisions"
"""How many decisions an answer holds, if it is not one."""

SPAN_POLICY_REVISION: Final = "pdp.policy_revision"
"""The policy revision that answered."""

SPAN_CONTEXT_REVISION: Final = "pdp.context_revision"
"""The context revision that answered."""

SPAN_POLICIES: Final = "pdp.policies"
"""Ids of the policies that determined the decision; of many, the first."""

SPAN_POLICIES_LEFT_OUT: Final = "pdp.policies_left_out"
"""How many more there are."""

SPAN_CACHED: Final = "pdp.cached"
"""Whether the engine answered without asking policies: by the cache, or by the evaluation of an equal request."""

SPAN_REQUEST_ID: Final = "pdp.request_id"
"""The request's id."""

SPAN_PRINCIPAL: Final = "pdp.principal"
"""The principal. Only where `tracing.principal` says so."""

SPAN_PHASES_LEFT_OUT: Final = "pdp.phases_left_out"
"""How many parts of the work have no span because they are too many."""
