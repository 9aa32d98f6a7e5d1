"""Policies, entities and requests to decide, and how both engines are asked."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Final

import cedarpy

from pdp.cedar.entities import Entities
from pdp.cedar.policy import PolicySet
from pdp.cedar.request import Request
from pdp.cedar.schema.model import Schema
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.entities import write_entities
from pdp.cedar.wire.values import write_value
from pdp.compiler.program import Program, compile_policies


@dataclass(frozen=True)
class Workload:
    """`text` holds the policies and templates of `policies` in order; `expected` is decision and reasons by request.

    Requests and entities conform to the `schema`.
    """

    name: str
    seed: int | None
    text: str
    policies: PolicySet
    entities: Entities
    requests: Sequence[Request]
    expected: Sequence[tuple[str, frozenset[str]]]
    schema: Schema


@dataclass(frozen=True)
class Times:
    """Nanoseconds of each decision.

    `ours` and `ours_by_schema` are around the call; `theirs` is what the Rust authorizer reports of itself (cut off to
    whole us), `their_call` around the call of its Python binding.
    """

    ours: list[int]
    ours_by_schema: list[int]
    theirs: list[int]
    their_call: list[int]
    differing: int


_BLOCKS: Final = 4

Answer = tuple[str, frozenset[str]]


def measure(workload: Workload, passes: int) -> Times:
    """Every request decided by all, again and again, after two passes over the requests that are not counted.

    The engines take turns in blocks of so many passes: so each is measured as it runs when it runs alone, and whatever
    else the machine does meets all of them.
    """
    plain, by_schema = compile_policies(workload.policies), compile_policies(workload.policies, workload.schema)
    for program in (plain, by_schema):
        program.prepare(workload.schema, workload.entities)
    ask, ask_by_schema, ask_theirs = _ours(workload, plain), _ours(workload, by_schema), _theirs(workload)
    indexes = range(len(workload.requests))
    differing = 0
    for index in (*indexes, *indexes):
        answers = (ask(index)[1], ask_by_schema(index)[1], ask_theirs(index)[2])
        differing += answers != (workload.expected[index],) * 3
    times = Times([], [], [], [], differing)
    for _ in range(_BLOCKS):
        for kept, ours in ((times.ours, ask), (times.ours_by_schema, ask_by_schema)):
            for _ in range(passes):
                kept.extend([ours(index)[0] for index in indexes])
        for _ in range(passes):
            for reported, call, _ in map(ask_theirs, indexes):
                times.theirs.append(reported)
                times.their_call.append(call)
    return times


def _ours(workload: Workload, program: Program) -> Callable[[int], tuple[int, Answer]]:
    authorize, requests, entities = program.authorize, workload.requests, workload.entities

    def ask(index: int) -> tuple[int, Answer]:
        request = requests[index]
        start = perf_counter_ns()
        response = authorize(request, entities)
        spent = perf_counter_ns() - start
        return spent, (response.decision.value, response.reasons)

    return ask


def _theirs(workload: Workload) -> Callable[[int], tuple[int, int, Answer]]:
    policies = rust_policies(workload.text, workload.policies)
    entities = rust_entities(workload.entities)
    requests = [rust_request(request) for request in workload.requests]

    def ask(index: int) -> tuple[int, int, Answer]:
        request = requests[index]
        start = perf_counter_ns()
        result = cedarpy.is_authorized(request, policies, entities)
        spent = perf_counter_ns() - start
        decision = "allow" if result.decision is cedarpy.Decision.Allow else "deny"
        return result.metrics["authz_duration_micros"] * 1000, spent, (decision, frozenset(result.diagnostics.reasons))

    return ask


def rust_policies(text: str, policies: PolicySet) -> Any:
    """The policies as the Rust engine holds them."""
    parsed = cedarpy.PolicySet.from_str(text)
    links = [
        {
            "template_id": link.template_id,
            "new_id": link.id,
            "values": {slot.value: _uid(uid) for slot, uid in link.values.items()},
        }
        for link in policies.links.values()
    ]
    return parsed.with_linked_batch(links) if links else parsed


def rust_entities(entities: Entities) -> Any:
    """The store as the Rust engine holds it."""
    return cedarpy.Entities.from_json_str(json.dumps(write_entities(entities)))


def rust_request(request: Request) -> dict[str, Any]:
    """A request as the binding takes it."""
    return {
        "principal": _uid(request.principal),
        "action": _uid(request.action),
        "resource": _uid(request.resource),
        "context": write_value(request.context),
    }


def _uid(uid: EntityUID) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}
