"""Components and closure, on every graph of four nodes and on large ones."""

import itertools
from collections.abc import Mapping

import pytest

from pdp.cedar.schema.graph import close, components, is_cycle

NODES = range(4)
EDGES = [(source, target) for source in NODES for target in NODES]


def naive_closure(graph: Mapping[int, frozenset[int]]) -> dict[int, frozenset[int]]:
    reached = {node: set(targets) for node, targets in graph.items()}
    for middle, source in itertools.product(graph, graph):
        if middle in reached[source]:
            reached[source] |= reached[middle]
    return {node: frozenset(nodes) for node, nodes in reached.items()}


def test_every_graph_of_four_nodes() -> None:
    for bits in range(2 ** len(EDGES)):
        edges = [edge for number, edge in enumerate(EDGES) if bits >> number & 1]
        graph = {node: frozenset(target for source, target in edges if source == node) for node in NODES}
        closure = naive_closure(graph)
        assert close(graph, 16) == closure
        seen: set[int] = set()
        for component in components(graph):
            first = component[0]
            mutual = {node for node in NODES if node == first or (node in closure[first] and first in closure[node])}
            assert set(component) == mutual
            assert is_cycle(component, graph) == (first in closure[first])
            seen |= mutual
            assert all(graph[node] <= seen for node in component), "a group stands before one that it points to"
        assert seen == set(NODES)


def test_a_chain_of_any_length_takes_no_stack() -> None:
    chain = {node: frozenset({node + 1} if node < 99_999 else ()) for node in range(100_000)}
    assert next(iter(components(chain))) == (99_999,)
    ring = chain | {99_999: frozenset({0})}
    assert [len(component) for component in components(ring)] == [100_000]


@pytest.mark.parametrize("limit, expected", [(6, {1: {2, 3, 4}, 2: {3, 4}, 3: {4}, 4: set()}), (5, None)])
def test_the_closure_is_bounded(limit: int, expected: Mapping[int, set[int]] | None) -> None:
    assert close({1: {2}, 2: {3}, 3: {4}, 4: set()}, limit) == expected


def test_the_closure_of_a_dense_graph_is_quick_to_find() -> None:
    dense = {node: frozenset(range(node)) for node in range(1_000)}
    assert close(dense, 1_000_000) == dense
