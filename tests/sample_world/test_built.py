"""The sample world from a built bundle: every case has the same verdict, to the last annotation, and every explanation
the same words and places.
"""

from itertools import pairwise

from built_bundles import both_ways, exactly
from consortium import DIRECTORY, consortium

from pdp.clock import Clock
from pdp.engine.explaining import Explaining
from pdp.engine.snapshot import CurrentWorld, build_world


def test_every_case_is_decided_and_explained_alike() -> None:
    sample = consortium()
    found: list[list[object]] = []
    for bundle in both_ways(DIRECTORY):
        world = build_world(bundle, sample.facts)
        world.program.prepare(world.schema, world.facts.entities)
        current = CurrentWorld()
        current.world = world
        rehearsal = sample.rehearsal(world)
        answers: list[object] = []
        for case in sample.cases:
            explaining = Explaining(current, sample.config.freshness, case_clock(case.instant))
            answers.append((rehearsal.run(case).verdict, explaining.explain(rehearsal.question(case))))
        found.append([exactly(answer) for answer in answers])
    assert len(found[0]) > 100
    for parsed, built in pairwise(found):
        for case, one, other in zip(sample.cases, parsed, built, strict=True):
            assert one == other, case.name


def case_clock(instant: int) -> Clock:
    return lambda: instant
