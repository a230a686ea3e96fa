"""Integrated gradients: what each input adds to the answer of a network."""

from typing import TYPE_CHECKING

import numpy as np

from assay.market.models.base import Floats

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

NODES = 24  # points of the quadrature between an average row and the row itself


def integrated_gradients(respond: "Callable[[Tensor], Tensor]", x: "Tensor", *, nodes: int = NODES) -> Floats:
    """Integrated gradients (Sundararajan, Taly and Yan, *ICML* 2017), the path from all inputs zero to the row.

    The integral of the gradient along the path is taken by Gauss-Legendre quadrature, which is exact for polynomials of
    degree 2 ``nodes`` - 1; smooth activations need few nodes.

    Args:
        respond: Gives the answers, shape (rows, outputs), for inputs like ``x``.
        x: Standardised inputs, shape (rows, inputs) or (rows, lookback, inputs).
        nodes: Points of the quadrature.

    Returns:
        What each input adds, summed over the steps of a sequence, shape (rows, inputs, outputs). Summed over the inputs
        it is the answer less that for zero, up to the error of the quadrature.
    """
    import torch

    points, shares = np.polynomial.legendre.leggauss(nodes)
    alphas = torch.tensor((points + 1) / 2, dtype=x.dtype).view(-1, *[1] * x.ndim)
    path = (alphas * x).flatten(0, 1).requires_grad_()
    out = respond(path)
    parts = []
    for output in range(out.shape[1]):
        (slopes,) = torch.autograd.grad(out[:, output].sum(), path, retain_graph=True)
        mean = torch.tensordot(torch.tensor(shares / 2, dtype=x.dtype), slopes.view(nodes, *x.shape), dims=1)
        added = mean * x
        parts.append(added.sum(dim=1) if x.ndim == 3 else added)
    return np.asarray(torch.stack(parts, dim=2).numpy(), dtype=np.float64)


def complete(values: Floats, answers: Floats, base: Floats) -> Floats:
    """Spread what the quadrature missed over the inputs, in proportion to what each adds.

    Args:
        values: What each input adds, shape (rows, inputs, outputs).
        answers: Shape (rows, outputs).
        base: Answer at zero, shape (outputs,).

    Returns:
        Values whose sum over the inputs is exactly the answer less ``base``.
    """
    missed = answers - base - values.sum(axis=1)
    sizes = np.abs(values)
    total = sizes.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, sizes / np.where(total > 0, total, 1.0), 1 / max(1, values.shape[1]))
    return np.asarray(values + shares * missed[:, None, :], dtype=np.float64)
