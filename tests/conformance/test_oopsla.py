"""The benchmark applications of Cedar's paper (OOPSLA 2024): realistic policies, hierarchies and links with answers."""

import pytest
from shared_data import shared_data

from benchmarks.oopsla import APPS, workloads
from benchmarks.workload import Workload
from pdp.compiler.program import compile_policies
from pdp.evaluate.authorize import authorize

SIZE = 10
"""Entities of each type. The largest hierarchies have 50 and are the benchmark's business."""


def workload(app: str) -> Workload:
    return next(workloads(shared_data("cedar"), app, SIZE))


@pytest.mark.parametrize("app", APPS)
def test_decides_as_expected(app: str) -> None:
    work = workload(app)
    program = compile_policies(work.policies)
    assert len(work.requests) == 500
    assert len({decision for decision, _ in work.expected}) == 2
    for request, expected in zip(work.requests, work.expected, strict=True):
        for response in (authorize(request, work.policies, work.entities), program.authorize(request, work.entities)):
            assert (response.decision.value, response.reasons) == expected
            assert response.errors == ()


@pytest.mark.parametrize("pair", [("gdrive-viewfix", "gdrive-templates"), ("github", "github-templates")])
def test_links_decide_as_groups_do(pair: tuple[str, str]) -> None:
    """One draw, written down as groups and as template links: the same requests have the same answers."""
    groups, links = map(workload, pair)
    assert links.policies.links
    assert not groups.policies.links
    assert [str(request) for request in groups.requests] == [str(request) for request in links.requests]
    decisions = [
        [compile_policies(each.policies).authorize(request, each.entities).decision for request in each.requests]
        for each in (groups, links)
    ]
    assert decisions[0] == decisions[1]
