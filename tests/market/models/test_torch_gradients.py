"""Integrated gradients against functions whose integral is known, and against a slow sum."""

import numpy as np
import pytest

from assay.market.models.network import MLP
from assay.market.models.torch_gradients import NODES, complete, integrated_gradients

torch = pytest.importorskip("torch", reason="the package torch is not installed")


def test_a_linear_answer_is_its_terms() -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    slopes = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
    found = integrated_gradients(lambda path: path @ slopes.T + 1, x)
    np.testing.assert_allclose(found, (x[:, :, None] * slopes.T).numpy(), atol=1e-6)


def test_a_product_is_shared_in_halves_and_a_cube_is_whole() -> None:
    x = torch.tensor([[2.0, 3.0], [-1.0, 4.0]])
    product = integrated_gradients(lambda path: path[:, :1] * path[:, 1:], x)
    np.testing.assert_allclose(product[:, :, 0], [[3, 3], [-2, -2]], rtol=1e-6)
    cube = integrated_gradients(lambda path: path[:, :1] ** 3, x, nodes=2)
    np.testing.assert_allclose(cube[:, :, 0], [[8, 0], [-1, 0]], rtol=1e-6)
    assert abs(integrated_gradients(lambda path: path[:, :1] ** 3, x, nodes=1)[0, 0, 0] - 8) > 1


def test_the_steps_of_a_sequence_are_added_up() -> None:
    x = torch.arange(12.0).view(2, 3, 2)
    found = integrated_gradients(lambda path: path.sum(dim=1) @ torch.tensor([[1.0], [10.0]]), x)
    np.testing.assert_allclose(found[:, :, 0], x.sum(dim=1).numpy() * [1, 10], rtol=1e-5)


def trained_like(seed: int) -> tuple[object, torch.Tensor]:
    """A network of large weights, which bends more than a trained one, and rows far from the mean."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        rule = MLP(layers=(32, 16))
        network = rule.network(6, 2).eval()
        for weights in network.parameters():
            weights.data *= 2
        x = 3 * torch.randn(50, 6)
    return (lambda path: rule.respond(network, path, 1)[:, 0]), x


@pytest.mark.parametrize("seed", [0, 1])
def test_the_sum_is_the_answer_less_that_for_zero(seed: int) -> None:
    respond, x = trained_like(seed)
    with torch.no_grad():
        expected = (respond(x) - respond(torch.zeros_like(x))).numpy()  # type: ignore[operator]
    for nodes, good in ((NODES, True), (1, False)):
        missed = integrated_gradients(respond, x, nodes=nodes).sum(axis=1) - expected  # type: ignore[arg-type]
        assert bool(np.abs(missed).max() < 1e-3 * np.abs(expected).max()) == good


def test_the_quadrature_agrees_with_a_long_sum() -> None:
    respond, x = trained_like(2)
    alphas = (np.arange(1000) + 0.5) / 1000
    slow = np.zeros((4, 6, 2))
    for row in range(4):
        path = (torch.tensor(alphas, dtype=torch.float32)[:, None] * x[row]).requires_grad_()
        out = respond(path)  # type: ignore[operator]
        for output in range(2):
            (slopes,) = torch.autograd.grad(out[:, output].sum(), path, retain_graph=True)
            slow[row, :, output] = slopes.mean(dim=0).numpy() * x[row].numpy()
    np.testing.assert_allclose(integrated_gradients(respond, x[:4]), slow, atol=1e-3)  # type: ignore[arg-type]


def test_what_is_missed_is_spread_in_proportion() -> None:
    values = np.array([[[3.0], [-1.0]], [[0.0], [0.0]]])
    found = complete(values, answers=np.array([[6.0], [1.0]]), base=np.array([0.0]))
    np.testing.assert_allclose(found[:, :, 0], [[6.0, 0.0], [0.5, 0.5]])
