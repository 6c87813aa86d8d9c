"""Maximum matching in a graph that need not be bipartite (Edmonds, "Paths, trees, and flowers", 1965)."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

ALONE = -1


class Matching:
    """A maximum matching of a graph, kept up while vertices are taken away.

    Args:
        neighbours: for each vertex those that it may be paired with; symmetric.
    """

    def __init__(self, neighbours: Sequence[Collection[int]]) -> None:
        self._neighbours = [sorted(each) for each in neighbours]
        self._gone = [False] * len(neighbours)
        self.mate = [ALONE] * len(neighbours)
        for vertex, others in enumerate(self._neighbours):  # a greedy start leaves little to augment
            if self.mate[vertex] == ALONE:
                free = next((other for other in others if self.mate[other] == ALONE), None)
                if free is not None:
                    self.mate[vertex], self.mate[free] = free, vertex
        for vertex in range(len(neighbours)):
            if self.mate[vertex] == ALONE:
                self._augment(vertex)

    @property
    def pairs(self) -> int:
        """How many pairs the matching has: no matching of the vertices that are left has more."""
        return sum(mate != ALONE for mate in self.mate) // 2

    def without(self, *vertices: int) -> Matching:
        """The maximum matching of the graph without these vertices."""
        left = object.__new__(Matching)
        left._neighbours = self._neighbours
        left._gone = self._gone.copy()
        left.mate = self.mate.copy()
        widowed = []
        for vertex in vertices:
            left._gone[vertex] = True
            widow, left.mate[vertex] = left.mate[vertex], ALONE
            if widow != ALONE:
                left.mate[widow] = ALONE
                widowed.append(widow)
        # Only a path from one of the widowed can mend what is lost; where one joins two of them that were better joined
        # to vertices alone before, a path joins those two vertices.
        alone = [vertex for vertex, mate in enumerate(left.mate) if mate == ALONE and vertex not in widowed]
        for vertex in (*widowed, *alone):
            if not left._gone[vertex] and left.mate[vertex] == ALONE:
                left._augment(vertex)
        return left

    def _augment(self, root: int) -> None:
        """Grow an alternating tree from an unmatched vertex, shrinking blossoms, until it reaches another one."""
        size = len(self.mate)
        parent, base = [ALONE] * size, list(range(size))
        outer = [False] * size
        outer[root] = True
        queue = deque([root])
        while queue:
            vertex = queue.popleft()
            free = self._free(vertex, root)
            if free != ALONE:
                parent[free] = vertex
                self._flip(free, parent)
                return
            for other in self._neighbours[vertex]:
                if self._gone[other] or base[vertex] == base[other] or self.mate[vertex] == other:
                    continue
                if other == root or (self.mate[other] != ALONE and parent[self.mate[other]] != ALONE):
                    self._shrink(vertex, other, parent, base, outer, queue)
                elif parent[other] == ALONE:
                    parent[other] = vertex
                    outer[self.mate[other]] = True
                    queue.append(self.mate[other])

    def _free(self, vertex: int, root: int) -> int:
        """An unmatched neighbour other than the root; ALONE where there is none."""
        mate, gone = self.mate, self._gone
        for other in self._neighbours[vertex]:
            if mate[other] == ALONE and not gone[other] and other != root:
                return other
        return ALONE

    def _flip(self, end: int, parent: list[int]) -> None:
        """Turn the path from `end` to the root of the tree round: one pair more."""
        vertex = end
        while vertex != ALONE:
            before = parent[vertex]
            following = self.mate[before]
            self.mate[vertex], self.mate[before] = before, vertex
            vertex = following

    def _shrink(
        self, one: int, other: int, parent: list[int], base: list[int], outer: list[bool], queue: deque[int]
    ) -> None:
        """Contract the odd cycle that the edge between two outer vertices closes."""
        stem = self._common_base(one, other, parent, base)
        inside = [False] * len(base)
        for start, across in ((one, other), (other, one)):
            vertex, child = start, across
            while base[vertex] != stem:
                inside[base[vertex]] = inside[base[self.mate[vertex]]] = True
                parent[vertex] = child
                child = self.mate[vertex]
                vertex = parent[child]
        for vertex in range(len(base)):
            if inside[base[vertex]]:
                base[vertex] = stem
                if not outer[vertex]:
                    outer[vertex] = True
                    queue.append(vertex)

    def _common_base(self, one: int, other: int, parent: list[int], base: list[int]) -> int:
        seen = set()
        while True:
            one = base[one]
            seen.add(one)
            if self.mate[one] == ALONE:
                break
            one = parent[self.mate[one]]
        while base[other] not in seen:
            other = parent[self.mate[base[other]]]
        return base[other]
