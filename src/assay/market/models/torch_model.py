"""A fitted network of any family: fit, predict, explain, dump and restore."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.market.errors import BundleError, DataError
from assay.market.models.base import Explained, Files, Floats, Rows, Sequences, Target, class_codes, member
from assay.market.models.torch_files import pack, unpack
from assay.market.models.torch_gradients import NODES, complete, integrated_gradients
from assay.market.models.torch_rule import NetworkRule, Numbers, Reader, Scaling
from assay.market.models.torch_state import borrowed_torch
from assay.market.models.torch_training import Lessons, answers, train
from assay.market.tables import CLASSES
from assay.market.workload import Kind

if TYPE_CHECKING:
    from torch import Tensor, nn

FILE = "model.npz"
SAMPLE = 128  # training rows by which importance is measured
LEAST_SHARE = 1e-3  # share from which a class that never occurred starts


class NetworkModel:
    """Multi-class probabilities (cross-entropy), the probability of 1 (log loss) or values (squared error)."""

    def __init__(self, rule: NetworkRule, kind: Kind, *, seed: int) -> None:
        self._rule, self._kind, self._seed = rule, kind, seed
        self._network: nn.ModuleDict
        self._scaling: Scaling
        self._importance: Floats
        self.best_iteration: int | None = None

    def fit(self, X: Rows, y: Target, tail: tuple[Rows, Target] | None = None, *, weight: Floats | None = None) -> None:
        """Train until the loss on the tail stops falling, and keep the best epoch.

        Rows of no weight are left out: not even the scaling of the inputs knows them.

        Raises:
            DataError: An input or a target is missing, or there are fewer than two rows.
            DivergedError: Training diverged.
        """
        weight = np.ones(len(y)) if weight is None else weight
        X, y, weight = X[weight > 0], y[weight > 0], weight[weight > 0]
        self._rule.check(X)
        _check_targets(y)
        self._scaling = Scaling.of(X.last if isinstance(X, Sequences) else X, self._rule.clip)
        rng = np.random.default_rng(self._seed)
        with borrowed_torch(threads=self._rule.threads, seed=self._seed):
            self._network = _untrained(self._rule, self._kind, X.shape[1])
            _start(self._network, self._kind, y, weight)
            newer = self._lessons(*tail, np.ones(len(tail[1]))) if tail and self._rule.stops_early else None
            lessons = self._lessons(X, y, weight)
            self.best_iteration = train(self._network, lessons, newer, rule=self._rule, rng=rng)
            sample = np.sort(rng.permutation(len(y))[:SAMPLE])
            added = self._added(lessons.reader, sample)
        self._importance = np.abs(added).mean(axis=(0, 2))

    def predict(self, X: Rows) -> Floats:
        """Probabilities (n, 3), of 1 (n,), or values (n,).

        Raises:
            DataError: An input is missing.
        """
        out = self._answers(X)
        if self._kind == "regression":
            return out[:, 0]
        if self._kind == "binary":
            return np.asarray(1 / (1 + np.exp(-out[:, 0])), dtype=np.float64)
        odds = np.exp(out - out.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)

    def importance(self) -> Floats:
        """Mean absolute integrated gradient over a sample of training rows, and over the classes."""
        return self._importance

    def explain(self, X: Rows) -> Explained:
        """Integrated gradients of the scores before softmax, of the log-odds, or of the value.

        Measured from a row whose inputs are all at their training mean, which is also what stands for the missing steps
        of a sequence; a sequence's steps are added up. What the quadrature misses, well below a thousandth, is spread
        over the inputs.
        """
        out, reader = self._answers(X), self._rule.reader(X, self._scaling)
        with borrowed_torch(threads=1):
            base = self._at_zero(reader)
            added = self._added(reader, np.arange(len(out)))
        values = complete(added, out, base)
        return Explained(values, base) if self._kind == "classification" else Explained(values[:, :, 0], base[0])

    def dump(self) -> dict[str, bytes]:
        """An archive of plain arrays: the network's state, its scaling and its importance."""
        state = {f"network.{name}": tensor.numpy() for name, tensor in self._network.state_dict().items()}
        scaling = {"means": self._scaling.means, "scales": self._scaling.scales}
        about = {"family": self._rule.kind, "head": self._kind, "best_iteration": self.best_iteration}
        return {FILE: pack(state | scaling | {"importance": self._importance}, about)}

    def load(self, arrays: dict[str, npt.NDArray[Any]], best_iteration: int | None) -> None:
        """Take over what `dump` wrote.

        Raises:
            BundleError: The arrays are not those of this network.
        """
        import torch

        width = len(arrays["means"])
        with borrowed_torch(threads=1, seed=0):
            network = _untrained(self._rule, self._kind, width)
        expected = {f"network.{name}": tensor.numpy() for name, tensor in network.state_dict().items()}
        vector = np.zeros(width)
        _check_arrays(arrays, expected | {"means": vector, "scales": vector, "importance": vector})
        network.load_state_dict({name.removeprefix("network."): torch.tensor(arrays[name]) for name in expected})
        self._network, self._importance = network, arrays["importance"]
        self._scaling = Scaling(arrays["means"], arrays["scales"], self._rule.clip)
        self.best_iteration = best_iteration

    def _lessons(self, X: Rows, y: Target, weight: Floats) -> Lessons:
        import torch

        self._rule.check(X)
        codes = class_codes(y).astype(np.int64) if self._kind == "classification" else y.astype(np.float32)
        counts = torch.tensor(weight.astype(np.float32))
        return Lessons(self._rule.reader(X, self._scaling), torch.tensor(codes), counts, self._kind)

    def _answers(self, X: Rows) -> Floats:
        """Scores or values of the trained network, shape (n, outputs)."""
        self._rule.check(X)
        with borrowed_torch(threads=1):
            out = answers(self._network, self._rule.reader(X, self._scaling), np.arange(len(X)), self._rule)
        return np.asarray(out.numpy(), dtype=np.float64)

    def _added(self, reader: Reader, rows: Numbers) -> Floats:
        """Integrated gradients of some rows, shape (rows, inputs, outputs)."""
        self._network.eval()
        parts = np.array_split(rows, max(1, -(-len(rows) * NODES // self._rule.chunk)))
        return np.concatenate([integrated_gradients(self._respond, reader.gather(part)) for part in parts])

    def _at_zero(self, reader: Reader) -> Floats:
        """The answers for a row of zeros, shape (outputs,)."""
        import torch

        zero = torch.zeros_like(reader.gather(np.zeros(1, dtype=np.intp)))
        self._network.eval()
        return np.asarray(self._respond(zero).detach().numpy()[0], dtype=np.float64)

    def _respond(self, x: "Tensor") -> "Tensor":
        return self._rule.respond(self._network, x, 1)[:, 0]


def restored(rule: NetworkRule, kind: Kind, files: Files) -> NetworkModel:
    """The network in ``model.npz``.

    Raises:
        BundleError: The file is missing, damaged, or holds another network.
    """
    arrays, about = unpack(member(files, FILE))
    found = {name: about.get(name) for name in ("family", "head")}
    if found != {"family": rule.kind, "head": kind} or "means" not in arrays:
        raise _foreign({"family": rule.kind, "head": kind}, found)
    model = NetworkModel(rule, kind, seed=0)
    model.load(arrays, about.get("best_iteration"))
    return model


def _untrained(rule: NetworkRule, kind: Kind, inputs: int) -> "nn.ModuleDict":
    import torch

    with torch.device("cpu"):
        return rule.network(inputs, len(CLASSES) if kind == "classification" else 1)


def _start(network: "nn.ModuleDict", kind: Kind, y: Target, weight: Floats) -> None:
    """Let training set out from the answer that knows no inputs: the shares of the classes, or the mean."""
    import torch

    if kind == "classification":
        shares = np.bincount(class_codes(y), weights=weight, minlength=len(CLASSES)) / weight.sum()
        bias = np.log(np.maximum(shares, LEAST_SHARE))
    else:
        mean = np.average(y, weights=weight)
        share = np.clip(mean, LEAST_SHARE, 1 - LEAST_SHARE)
        bias = np.atleast_1d(np.log(share / (1 - share)) if kind == "binary" else mean)
    with torch.no_grad():
        network["head"].weight.zero_()
        network["head"].bias.copy_(torch.tensor(bias))


def _check_targets(y: Target) -> None:
    if len(y) < 2 or not np.isfinite(y).all():
        raise DataError(
            "targets of a network",
            "are too few or not all there",
            expected="at least 2 finite values",
            found=f"{len(y)} rows, {int((~np.isfinite(y)).sum())} without a value",
            do="leave out rows without a target",
        )


def _check_arrays(found: dict[str, npt.NDArray[Any]], expected: dict[str, npt.NDArray[Any]]) -> None:
    forms = [{name: (array.shape, str(array.dtype)) for name, array in arrays.items()} for arrays in (expected, found)]
    if forms[0] != forms[1]:
        differ = sorted(name for name in set(expected) | set(found) if forms[0].get(name) != forms[1].get(name))
        raise _foreign(*[{name: form.get(name) for name in differ} for form in forms])
    if not all(np.isfinite(array).all() for array in found.values()):
        raise BundleError("network", "holds values that are no numbers", do="train the model again")


def _foreign(expected: object, found: object) -> BundleError:
    return BundleError("network", "is not the one that was asked for", expected=expected, found=found, do="train again")
