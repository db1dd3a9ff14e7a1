"""The weakest links between persons that can't be one.

Links are laid from the strongest to the weakest; one that would bring two contradicting persons
together is left out. What remains of a person is always consistent, and a wrong link costs no more
than itself.
"""

from collections.abc import Iterable

import numpy as np

from dagster_project.identity.components import Flags, Integers


def weakest_links(
    left: Integers,
    right: Integers,
    strength_order: Integers,
    contradictions: Iterable[tuple[int, int]],
) -> Flags:
    """Which links to cut. `left` and `right` are persons; `strength_order` lists links, best first.

    Only the links of contradictory components should be given: this walks them one by one.
    """
    enemies: dict[int, set[int]] = {}
    for one, other in contradictions:
        enemies.setdefault(one, set()).add(other)
        enemies.setdefault(other, set()).add(one)
    groups = _Groups(enemies)
    cut = np.zeros(len(left), dtype=np.bool_)
    for link in strength_order.tolist():
        cut[link] = not groups.join(int(left[link]), int(right[link]))
    return cut


class _Groups:
    """Union-find that refuses a union of enemies."""

    def __init__(self, enemies: dict[int, set[int]]) -> None:
        self._enemies = enemies
        self._parent: dict[int, int] = {}
        self._marked: dict[int, set[int]] = {}  # members that have enemies, by root

    def _root(self, member: int) -> int:
        if member not in self._parent:
            self._parent[member] = member
            self._marked[member] = {member} & self._enemies.keys()
        root = member
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[member] != root:
            self._parent[member], member = root, self._parent[member]
        return root

    def join(self, one: int, other: int) -> bool:
        """Unite the groups of two members; False, and nothing done, where enemies would meet."""
        first, second = self._root(one), self._root(other)
        if first == second:
            return True
        if len(self._marked[first]) < len(self._marked[second]):
            first, second = second, first
        if any(self._enemies[member] & self._marked[first] for member in self._marked[second]):
            return False
        self._parent[second] = first
        self._marked[first] |= self._marked.pop(second)
        return True
