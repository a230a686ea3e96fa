"""The training loop of the networks: minibatches, a rate that falls on a plateau, and the best epoch kept."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assay.market.errors import DivergedError
from assay.market.models.torch_rule import NetworkRule, Numbers, Reader
from assay.market.workload import Kind

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

GRADIENT_NORM = 1.0  # longest gradient that a step follows: returns have fat tails


@dataclass(frozen=True)
class Lessons:
    """Rows and what is to be learned from them.

    Attributes:
        reader: Their inputs.
        y: Class codes (int64) or values (float32), shape (n,).
        weight: How much each counts, shape (n,).
        kind: Kind of the head.
    """

    reader: Reader
    y: "Tensor"
    weight: "Tensor"
    kind: Kind


def train(
    network: "nn.ModuleDict", lessons: Lessons, tail: Lessons | None, *, rule: NetworkRule, rng: np.random.Generator
) -> int | None:
    """Train in place.

    Args:
        network: The network; its weights are where the search starts.
        lessons: Training rows.
        tail: Newer rows that choose the epoch; None: all epochs are taken.
        rule: The schedule.
        rng: Draws the order of the rows.

    Returns:
        Number of epochs that were kept; None without a tail.

    Raises:
        DivergedError: The loss is no longer a number.
    """
    from torch.optim.lr_scheduler import ReduceLROnPlateau

    optimiser = _optimiser(network, rule)
    plateau = ReduceLROnPlateau(optimiser, factor=rule.lr_factor, patience=rule.lr_patience, threshold=0.0)
    best, kept, state = np.inf, 0, _copy(network)
    for epoch in range(1, rule.max_epochs + 1):
        score = _learn(network, lessons, optimiser, rule=rule, rng=rng)
        if tail is not None:
            score = mean_loss(network, tail, rule)
        _check_number(score, rule)
        plateau.step(score)
        if score < best:
            best, kept, state = score, epoch, _copy(network) if tail else state
        elif tail and rule.patience is not None and epoch - kept >= rule.patience:
            break
    if tail is None:
        return None
    network.load_state_dict(state)
    return kept


def answers(network: "nn.ModuleDict", reader: Reader, rows: Numbers, rule: NetworkRule) -> "Tensor":
    """What the trained network answers for some rows: scores or values, shape (rows, outputs)."""
    import torch

    network.eval()
    parts = np.array_split(rows, max(1, -(-len(rows) // rule.chunk)))
    with torch.no_grad():
        return torch.cat([rule.respond(network, reader.gather(part), 1)[:, 0] for part in parts])


def mean_loss(network: "nn.ModuleDict", lessons: Lessons, rule: NetworkRule) -> float:
    """Mean loss of the trained network over rows that count by their weight."""
    out = answers(network, lessons.reader, np.arange(len(lessons.y)), rule)
    return float((losses(lessons.kind, out, lessons.y) * lessons.weight).double().mean())


def losses(kind: Kind, out: "Tensor", y: "Tensor") -> "Tensor":
    """Cross-entropy of classes, log loss of right or wrong, squared error of values: one number per row.

    Args:
        kind: Kind of the head.
        out: Answers, shape (n, outputs).
        y: Class codes or values, shape (n,).
    """
    from torch.nn import functional

    if kind == "classification":
        return functional.cross_entropy(out, y, reduction="none")
    measure = functional.binary_cross_entropy_with_logits if kind == "binary" else functional.mse_loss
    return measure(out[:, 0], y, reduction="none")


def _learn(
    network: "nn.ModuleDict", lessons: Lessons, optimiser: "Optimizer", *, rule: NetworkRule, rng: np.random.Generator
) -> float:
    """One epoch; gives the mean training loss."""
    import torch

    network.train()
    rows, learned = lessons.reader.lessons(rng)
    order = rng.permutation(len(rows))
    total = 0.0
    # Batches of equal size, at least the wanted one: batch normalisation cannot learn from a single row.
    for batch in np.array_split(order, max(1, len(rows) // rule.batch_size)):
        out = rule.respond(network, lessons.reader.gather(rows[batch]), learned.shape[1])
        steps = torch.from_numpy(learned[batch])
        taught = steps[known := steps >= 0]
        loss = (losses(lessons.kind, out[known], lessons.y[taught]) * lessons.weight[taught]).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
        optimiser.step()
        total += float(loss.detach()) * len(taught)
    return total / len(lessons.y)


def _optimiser(network: "nn.ModuleDict", rule: NetworkRule) -> "Optimizer":
    from torch.optim import AdamW

    matrices = [weights for weights in network.parameters() if weights.ndim > 1]
    others = [weights for weights in network.parameters() if weights.ndim == 1]
    groups = [{"params": matrices, "weight_decay": rule.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return AdamW(groups, lr=rule.learning_rate, fused=True)


def _copy(network: "nn.ModuleDict") -> "dict[str, Tensor]":
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _check_number(score: float, rule: NetworkRule) -> None:
    if not np.isfinite(score):
        raise DivergedError(
            f"model {rule.kind}",
            "training diverged, the loss is no longer a number",
            found=f"learning_rate: {rule.learning_rate}",
            do="lower learning_rate",
        )
