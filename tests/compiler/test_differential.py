"""Three answers to every request: the interpreter's, the compiled program's and the Rust engine's.

Each example is a world: a policy set of 1 to 30 policies with links, a store, and 3 to 6 requests. Every run decides
1,200 that are always the same, of which `test_generator` says what they reach, and 2,000 that Hypothesis draws anew;
`--hypothesis-profile=nightly` as many as it says (200,000).
"""

from typing import Final
from unittest.mock import patch

import pytest
from cedarpy_worlds import answer, judge
from hypothesis import given, settings
from strategies import World, sampled_worlds, worlds

from pdp.cedar.policy import PolicySet
from pdp.compiler import rulebook
from pdp.compiler.program import Program, compile_policies
from pdp.compiler.rulebook import Rulebook
from pdp.evaluate.authorize import applies, authorize

POLICY_SETS: Final = max(2_000, settings.default.max_examples if settings.default else 0)


@settings(max_examples=POLICY_SETS)
@given(worlds())
def test_interpreter_compiler_and_rust_engine_agree(world: World) -> None:
    agree(world)


@pytest.mark.parametrize("part", range(8))
def test_they_agree_on_the_sample(part: int) -> None:
    for world in sampled_worlds()[part::8]:
        agree(world)


def agree(world: World) -> None:
    """Fails unless all three have the same answer to every request of a world."""
    one_by_one, fused = compile_policies(world.policies), fusing(world.policies)
    with patch.object(rulebook, "FEW", 0):
        indexed = fusing(world.policies)
    judged = judge(world.policies, world.entities, world.requests)
    for request, theirs in zip(world.requests, judged, strict=True):
        interpreted = authorize(request, world.policies, world.entities)
        # Those that fuse make their code when they are asked first, and use it when they are asked again.
        for program in (one_by_one, fused, fused, indexed, indexed):
            compiled = program.authorize(request, world.entities)
            # Our own two agree to the letter of the messages; the Rust engine words them its own way.
            assert compiled.decision is interpreted.decision
            assert compiled.reasons == interpreted.reasons
            assert sorted(compiled.errors, key=str) == sorted(interpreted.errors, key=str)
            assert answer(compiled) == theirs


def fusing(policies: PolicySet) -> Program:
    return Program(Rulebook(policies, fuse_after=1))


@given(worlds())
def test_only_policies_whose_scope_applies_are_evaluated(world: World) -> None:
    program = compile_policies(world.policies)
    for request in world.requests:
        expected = [policy.id for policy in world.policies.linked() if applies(policy, request, world.entities)]
        assert sorted(program.candidates(request, world.entities)) == sorted(expected)


@given(worlds())
def test_skipping_is_leaving_out(world: World) -> None:
    program = fusing(world.policies)
    ids = [policy.id for policy in world.policies.linked()]
    skipped = frozenset(ids[::2])
    for request in world.requests:
        whole, part = program.authorize(request, world.entities), program.authorize(request, world.entities, skipped)
        assert part.erroring == whole.erroring - skipped
        assert not part.reasons & skipped
        if part.decision is whole.decision and whole.reasons - skipped:
            assert part.reasons == whole.reasons - skipped
