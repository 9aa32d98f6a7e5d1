"""Which things depend on which: order, cycles and transitive closure, for common types and for both hierarchies."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def components(graph: Mapping[K, Iterable[K]]) -> Iterator[tuple[K, ...]]:
    """The nodes in groups that reach each other, every group after those that it points to (Tarjan's algorithm).

    A node alone is a group of one. Every node that is pointed to must be a key. Does not recurse.
    """
    index: dict[K, int] = {}
    low: dict[K, int] = {}
    waiting: dict[K, None] = {}
    for root in graph:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        waiting[root] = None
        path = [(root, iter(graph[root]))]
        while path:
            node, targets = path[-1]
            target = next((target for target in targets if target not in index or target in waiting), None)
            if target is None:
                path.pop()
                if path:
                    above = path[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == index[node]:
                    yield tuple(_taken(waiting, node))
            elif target in index:
                low[node] = min(low[node], index[target])
            else:
                index[target] = low[target] = len(index)
                waiting[target] = None
                path.append((target, iter(graph[target])))


def _taken(waiting: dict[K, None], last: K) -> Iterator[K]:
    """Takes the newest nodes, up to and including `last`."""
    while True:
        node, _ = waiting.popitem()
        yield node
        if node == last:
            return


def is_cycle(component: Collection[K], graph: Mapping[K, Collection[K]]) -> bool:
    """Whether a group of `components` is one because its nodes reach themselves."""
    return len(component) > 1 or any(node in graph[node] for node in component)


def close(graph: Mapping[K, Collection[K]], limit: int) -> dict[K, frozenset[K]] | None:
    """Everything that a node reaches, itself only through a cycle. None if that is more than `limit` in all."""
    closed: dict[K, frozenset[K]] = {}
    total = 0
    for component in components(graph):
        direct = {target for node in component for target in graph[node]}
        reached: set[K] = set()
        # Largest first: what one of them reaches has not to be added again for those that it reaches.
        for target in sorted(direct.difference(component), key=lambda node: -len(closed[node])):
            if target not in reached:
                reached |= closed[target]
        reached |= direct
        total += len(reached) * len(component)
        if total > limit:
            return None
        closed |= dict.fromkeys(component, frozenset(reached))
    return closed
