"""Bundles of a head: which there are, and which one decides."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import polars as pl

from assay.market.calibration import apply, within_range
from assay.market.ensembles.decider import Answers, Decider, Stock, leaves, pack, unpack
from assay.market.errors import BundleError, ConfigurationError
from assay.market.left_out import present, reasons
from assay.market.models import Files
from assay.market.models.base import Floats
from assay.market.recipe import RECIPE
from assay.market.splits import Mask
from assay.market.workload import Kind

CHAMPION, CALIBRATION, SCORES = "champion.json", "calibration.json", "scores.json"
DESCRIBED = ("kind", "params", "feature_set_id", "weights", "best_iteration", "training", "versions")


@dataclass(frozen=True)
class Champion:
    """What decides in a head: a fitted model, or an ensemble of fitted models.

    Attributes:
        decider: What answers.
        model: Its name, as in the out-of-sample predictions.
        bundle_id: Identity of the bundle it was opened from.
        kind: ``classification`` or ``regression``.
        state: The last state of its calibrator, or of its intervals; None where there is none.
    """

    decider: Decider
    model: str
    bundle_id: str
    kind: Kind
    state: Mapping[str, Any] | None

    def predict(self, features: pl.DataFrame, rows: Mask | None = None) -> Floats:
        """The final answer: calibrated probabilities, shape (rows, 3), or returns, shape (rows,).

        Args:
            features: Features table, sorted by entity and time, with as many rows before the wanted ones as
                ``decider.lookback`` says.
            rows: The wanted rows; None = all.
        """
        return self.calibrated(self.decider.answer(features, rows)).values

    def calibrated(self, answers: Answers) -> Answers:
        """The same answers with their probabilities calibrated, if there is a calibrator; returns as they are."""
        if self.kind == "regression":
            return answers
        return replace(answers, values=apply(self.state, answers.values))

    def covers(self, answers: Answers) -> bool:
        """Whether the answers lie inside the range that the calibrator was fitted on; true where there is none."""
        return self.kind == "regression" or within_range(self.state, answers.values)


@dataclass(frozen=True)
class Champions:
    """The two champions of a workload.

    Attributes:
        signal: Classification: SHORT, NEUTRAL or LONG.
        target: Regression: the forward return.
    """

    signal: Champion
    target: Champion

    @cached_property
    def lookback(self) -> int:
        """Rows of an entity that both read to answer one, that one included."""
        return max(self.signal.decider.lookback, self.target.decider.lookback)


def bundle_id(files: Files) -> str:
    """Identity of a bundle: the first 16 hexadecimal digits of the SHA-256 over its names and bytes."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])} ".encode())
        digest.update(files[name])
    return digest.hexdigest()[:16]


def index_bundles(bundles: Mapping[str, Files]) -> list[dict[str, Any]]:
    """List the bundles of a head, one record per model: its identity and what its card says about the training.

    A bundle has no score of its own: it has seen every labelled row. Models that took no part in the run are skipped.
    """
    cards = {model: json.loads(files[RECIPE]) for model, files in present(bundles).items()}
    return [
        {"model": model, "bundle_id": bundle_id(bundles[model])} | {name: card[name] for name in DESCRIBED}
        for model, card in cards.items()
    ]


def crown_bundle(
    name: str, stock: Stock, calibration: Mapping[str, Any], *, scores: Mapping[str, float | None]
) -> dict[str, bytes]:
    """The bundle that decides, with its name on it and the last state of its calibrator, or of its intervals.

    Args:
        name: A model or an ensemble of the head.
        stock: All bundles of the head, and what was made of the models.
        calibration: Document of the last stage before: ``kind`` and by model the ``final`` state.
        scores: What its recipe scored out of sample; the bundle itself has seen every labelled row.

    Returns:
        Its files (see `pack`), ``calibration.json``, ``scores.json``, and ``champion.json``: name, identity of the
        files beside it, and identities of the models it answers by, as in the index.

    Raises:
        ConfigurationError: The head has no such model or ensemble, or it took no part in the run.
    """
    there = Stock(present(stock.bundles), stock.ensembles, stock.second_stages)
    _check_there(name, there, reasons(stock.bundles) | stock.ensembles["left_out"])
    about = {"kind": calibration["kind"], "state": calibration["final"].get(name)}
    files = pack(name, there) | {CALIBRATION: _told(about), SCORES: _told({"out_of_sample": scores})}
    models = {leaf: bundle_id(there.bundles[leaf]) for leaf in leaves(name, there.ensembles)}
    label = {"model": name, "bundle_id": bundle_id(files), "models": models}
    return {**files, CHAMPION: json.dumps(label, sort_keys=True).encode()}


def _told(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, indent=1, allow_nan=False).encode()


def open_champions(*, signal: Files, target: Files, feature_set_id: str) -> Champions:
    """Open the two bundles that decide, for features of one feature set.

    Raises:
        BundleError: One is no champion, is not what it was named as, belongs to another feature set, or is damaged.
    """
    return Champions(_open(signal, feature_set_id), _open(target, feature_set_id))


def _check_there(name: str, stock: Stock, missing: Mapping[str, str]) -> None:
    names = [*stock.bundles, *stock.ensembles["contenders"]]
    if name in names:
        return
    problem = f"took no part in this run: {missing[name]}" if name in missing else "is not in this head"
    raise ConfigurationError(
        f"parameter 'primary': '{name}'",
        problem,
        expected=f"one of {', '.join(names)}",
        found=name,
        do="name one of them as primary.model, or as primary.partner where the head is another",
    )


def _open(files: Files, feature_set_id: str) -> Champion:
    if missing := [name for name in (CHAMPION, CALIBRATION, SCORES) if name not in files]:
        raise BundleError(
            "champion", "has no name on it", expected=", ".join(missing), found=sorted(files), do="train again"
        )
    label, about = json.loads(files[CHAMPION]), json.loads(files[CALIBRATION])
    rest = {name: content for name, content in files.items() if name != CHAMPION}
    if (found := bundle_id(rest)) != label["bundle_id"]:
        raise BundleError("champion", "was altered", expected=label["bundle_id"], found=found, do="train again")
    del rest[CALIBRATION], rest[SCORES]
    decider = unpack(rest, feature_set_id=feature_set_id)
    return Champion(decider, label["model"], label["bundle_id"], about["kind"], about["state"])
