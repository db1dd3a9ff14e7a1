"""Parameters of most likelihood, by their slopes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float64]

# Logarithms of parameters beyond which no retailer's customers differ, and what keeps a parameter
# that makes no difference near 1.
_MOST, _PULL = 9.0, 1e-8
_PRECISE = {"ftol": 1e-13, "gtol": 1e-9, "maxiter": 500}


def most_likely(likelihood: Callable[[Array], tuple[float, Array]], start: Array) -> Array:
    """The positive parameters of most likelihood, looked for from `start`.

    `likelihood` gives the mean log-likelihood and its slope along each parameter. Units should be
    such that the parameters are near 1.
    """

    def loss(logs: Array) -> tuple[float, Array]:
        parameters = np.exp(logs)
        likely, slopes = likelihood(parameters)
        return _PULL * float(logs @ logs) - likely, 2 * _PULL * logs - parameters * slopes

    bounds = [(-_MOST, _MOST)] * len(start)
    options: Any = _PRECISE
    found = minimize(
        loss, np.log(start), jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return np.asarray(np.exp(found.x))
