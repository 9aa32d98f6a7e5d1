"""Policies, entities and requests to decide, and how both engines are asked."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import cedarpy

from pdp.cedar.entities import Entities
from pdp.cedar.policy import PolicySet
from pdp.cedar.request import Request
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.entities import write_entities
from pdp.cedar.wire.values import write_value
from pdp.compiler.program import compile_policies


@dataclass(frozen=True)
class Workload:
    """`text` holds the policies and templates of `policies` in order; `expected` is decision and reasons by request."""

    name: str
    seed: int | None
    text: str
    policies: PolicySet
    entities: Entities
    requests: Sequence[Request]
    expected: Sequence[tuple[str, frozenset[str]]]


@dataclass(frozen=True)
class Times:
    """Nanoseconds of each decision: ours around the call, theirs as the Rust authorizer reports it (whole us)."""

    ours: list[int]
    theirs: list[int]
    differing: int


def measure(workload: Workload, passes: int) -> Times:
    """Every request decided by both, in alternating passes over all requests, after one pass that is not counted."""
    ask_ours, ask_theirs = _ours(workload), _theirs(workload)
    differing = sum(
        not (ask_ours(index)[1] == ask_theirs(index)[1] == expected) for index, expected in enumerate(workload.expected)
    )
    ours: list[int] = []
    theirs: list[int] = []
    indexes = range(len(workload.requests))
    for _ in range(passes):
        ours += [ask_ours(index)[0] for index in indexes]
        theirs += [ask_theirs(index)[0] for index in indexes]
    return Times(ours, theirs, differing)


_Ask = Callable[[int], tuple[int, tuple[str, frozenset[str]]]]


def _ours(workload: Workload) -> _Ask:
    authorize, requests, entities = compile_policies(workload.policies).authorize, workload.requests, workload.entities

    def ask(index: int) -> tuple[int, tuple[str, frozenset[str]]]:
        request = requests[index]
        start = perf_counter_ns()
        response = authorize(request, entities)
        spent = perf_counter_ns() - start
        return spent, (response.decision.value, response.reasons)

    return ask


def _theirs(workload: Workload) -> _Ask:
    policies = cedarpy.PolicySet.from_str(workload.text)
    if workload.policies.links:
        policies = policies.with_linked_batch(
            [
                {
                    "template_id": link.template_id,
                    "new_id": link.id,
                    "values": {slot.value: _uid(uid) for slot, uid in link.values.items()},
                }
                for link in workload.policies.links.values()
            ]
        )
    entities = cedarpy.Entities.from_json_str(json.dumps(write_entities(workload.entities)))
    requests = [_request(request) for request in workload.requests]

    def ask(index: int) -> tuple[int, tuple[str, frozenset[str]]]:
        result = cedarpy.is_authorized(requests[index], policies, entities)
        decision = "allow" if result.decision is cedarpy.Decision.Allow else "deny"
        return result.metrics["authz_duration_micros"] * 1000, (decision, frozenset(result.diagnostics.reasons))

    return ask


def _request(request: Request) -> dict[str, Any]:
    return {
        "principal": _uid(request.principal),
        "action": _uid(request.action),
        "resource": _uid(request.resource),
        "context": write_value(request.context),
    }


def _uid(uid: EntityUID) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}
