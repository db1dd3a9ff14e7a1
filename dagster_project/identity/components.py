"""Connected components of the link graph, at the speed of scipy."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


def component_labels(node_count: int, left: Integers, right: Integers) -> Integers:
    """A label for each node 0..node_count-1; two nodes share one exactly if links connect them."""
    if node_count == 0:
        return np.empty(0, dtype=np.int64)
    links = csr_array(
        (np.ones(len(left), dtype=np.int8), (left, right)), shape=(node_count, node_count)
    )
    _, labels = connected_components(links, directed=False)
    return np.asarray(labels, dtype=np.int64)


def smallest_member(labels: Integers) -> Integers:
    """Name each component by its smallest node: no name hangs on scipy's numbering."""
    if len(labels) == 0:
        return labels
    first = np.full(int(labels.max()) + 1, len(labels), dtype=np.int64)
    np.minimum.at(first, labels, np.arange(len(labels), dtype=np.int64))
    return first[labels]
