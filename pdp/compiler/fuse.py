"""Fusing: one function for all the rules that a kind of request must look at anyway.

    def bind(c0, c1, ...):
        def decide(request, lookup, principal, resource):
            <what is read of the request and the store, and only that>
            satisfied = 0
            failed = None
            m0 = m1 = None                              what is kept between the rules (`sharing`)
            try:
                if <the term of rule 0>: satisfied += 1
            except EvaluationError as error: failed = note(failed, 0, error)
            try:
                if <the term of rule 1>: satisfied += 2
            ...
            return satisfied if failed is None else Failed(satisfied, failed)
        return decide

The rules' bits in `satisfied` say which are; looking up that number gives the answer.
"""

import ast
from collections.abc import Iterator, Sequence
from typing import Final, final

from pdp.cedar.errors import EvaluationError
from pdp.cedar.nodes import Var
from pdp.compiler.building import Building, locator
from pdp.compiler.guards import guarded
from pdp.compiler.lower import Lowering, binding
from pdp.compiler.sharing import shared_terms
from pdp.compiler.terms import Term, Truth

DECIDE_PARAMETERS: Final = ("request", "lookup", "principal", "resource")
_DECIDE: Final = "decide"


@final
class Failed:
    """What `decide` gives when rules failed: the bits of the satisfied ones, and the errors by the rule's place."""

    __slots__ = ("errors", "satisfied")

    def __init__(self, satisfied: int, errors: list[tuple[int, EvaluationError]]) -> None:
        self.satisfied: Final = satisfied
        self.errors: Final = errors


def note(
    failed: list[tuple[int, EvaluationError]] | None, place: int, error: EvaluationError
) -> list[tuple[int, EvaluationError]]:
    """The errors so far and one more, without its traceback: that has the frame in which they are kept, and so would
    keep them, the question and the policies until the garbage collector comes by.
    """
    return [*(failed or ()), (place, error.with_traceback(None))]


def fuse(terms: Sequence[Term], holes: int) -> ast.Module:
    """A module whose one statement defines `bind` for the terms of some rules. Cannot fail.

    It has no places in a text: the rules are of several. Whoever wants a traceback evaluates the rule by itself.
    """
    build = Building(locator(None, None)(None))
    shared = shared_terms(terms)
    lowering = Lowering(locator(None, None), shared)
    rules = [
        _rule(build, place, lowering.whole(guarded(term)))
        for place, term in enumerate(terms)
        if not isinstance(term, Truth)
    ]
    always = sum(1 << place for place, term in enumerate(terms) if isinstance(term, Truth) and term.value)
    parts = lowering.parts()
    failed = build.compare(build.name("failed"), (ast.Is(), build.constant(None)))
    outcome = build.choose(
        failed, build.name("satisfied"), build.call("Failed", build.name("satisfied"), build.name("failed"))
    )
    body = [
        *_prologue(build, lowering),
        build.assigned("satisfied", build.constant(always)),
        build.assigned("failed", build.constant(None)),
        *[build.assigned(name, build.constant(None)) for name in shared.values()],
        *rules,
        build.returned(outcome),
    ]
    return binding(build, [build.function(_DECIDE, DECIDE_PARAMETERS, body), *parts], _DECIDE, holes)


def _rule(build: Building, place: int, truth: ast.expr) -> ast.stmt:
    satisfied = build.when(truth, build.added("satisfied", build.constant(1 << place)))
    noted = build.call("note", build.name("failed"), build.constant(place), build.name("error"))
    return build.attempted(satisfied, "EvaluationError", "error", build.assigned("failed", noted))


def _prologue(build: Building, lowering: Lowering) -> Iterator[ast.stmt]:
    """Statements for those of `lower.PARAMETERS` that are used and not given."""
    for side in (Var.PRINCIPAL, Var.RESOURCE):
        name = side.value
        parts = [part for part in ("attrs", "ancestors") if f"{name}_{part}" in lowering.used]
        if parts:
            missing = build.call("absent", build.name(name)) if side in lowering.absent else build.name("NOBODY")
            yield build.assigned("entity", build.either(build.call("lookup", build.name(name)), missing))
        for part in parts:
            yield build.assigned(f"{name}_{part}", build.member(build.name("entity"), part))
    if "context" in lowering.used:
        yield build.assigned("context", build.member(build.member(build.name("request"), "context"), "fields"))
