"""The configuration of what is told of single decisions: traces, and the log of slow ones. Both are off by default."""

from dataclasses import dataclass
from typing import Final, final

from pdp.config.urls import HttpUrl, read_url
from pdp.documents import Node

_MOST: Final = 1_000_000_000


@final
@dataclass(frozen=True, slots=True)
class TracingConfig:
    """Traces by OpenTelemetry, sent by OTLP over HTTP; needs `pdp[otlp]`. Without this section nothing is traced.

    How spans wait and are sent, `OTEL_BSP_*` and `OTEL_EXPORTER_OTLP_*` say; what is sampled, they do not.
    """

    endpoint: HttpUrl | None = None
    """Where spans are sent, with the path: `https://collector.example:4318/v1/traces`; `http` for this machine alone.
    Without it, what `OTEL_EXPORTER_OTLP_ENDPOINT` says, which may be any, or port 4318 of this machine."""
    one_in: int | None = None
    """Of calls that do not belong to a trace, one in so many begins one, 1 to 1,000,000,000. None does by default."""
    parents: bool = True
    """Whether a call that belongs to a trace is traced if that is. If not, a trace of its own is begun, as above."""
    per_second: int = 100
    """Calls that are traced in a second at most, 1 to 100,000, whoever says that they are to be: a client, too, can."""
    principal: bool = False
    """Whether spans name the principal."""


@final
@dataclass(frozen=True, slots=True)
class SlowDecisionsConfig:
    """The log of slow decisions. Without this section there is none."""

    threshold: int
    """How long (ms) a decision may take without being logged, 1 ms to 1 min. What one is measured from and to, the
    metric `pdp_decision_seconds` says."""
    per_second: int = 10
    """Lines in a second at most, 1 to 1,000. How many more there would have been, the next line says."""


def read_tracing(node: Node | None) -> TracingConfig | None:
    """The section `tracing`. Raises DocumentError."""
    if node is None:
        return None
    default = TracingConfig()
    with node.table() as table:
        endpoint, one_in, parents = table.get("endpoint"), table.get("one_in"), table.get("parents")
        per_second, principal = table.get("per_second"), table.get("principal")
        return TracingConfig(
            None if endpoint is None else read_url(endpoint),
            None if one_in is None else one_in.integer(1, _MOST),
            default.parents if parents is None else parents.flag(),
            default.per_second if per_second is None else per_second.integer(1, 100_000),
            default.principal if principal is None else principal.flag(),
        )


def read_slow_decisions(node: Node | None) -> SlowDecisionsConfig | None:
    """The section `slow_decisions`. Raises DocumentError."""
    if node is None:
        return None
    with node.table() as table:
        threshold = table.require("threshold").duration(1, 60_000)
        per_second = table.get("per_second")
        default = SlowDecisionsConfig(threshold)
        return SlowDecisionsConfig(threshold, default.per_second if per_second is None else per_second.integer(1, 1000))
