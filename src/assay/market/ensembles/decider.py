"""What answers when decisions are served: a fitted model, or an ensemble of fitted models, as one bundle of files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from assay.market.ensembles.meta import FINAL, hold_back, judge
from assay.market.ensembles.pools import Pool
from assay.market.errors import BundleError
from assay.market.models import Files
from assay.market.models.base import Floats, member
from assay.market.recipe import Recipe, open_recipe
from assay.market.splits import Mask

ENSEMBLE, SECOND_STAGE = "ensemble.json", "second-stage"


@dataclass(frozen=True)
class Answers:
    """What is said about some rows.

    Attributes:
        values: Probabilities of SHORT, NEUTRAL, LONG, shape (rows, 3), or forward returns, shape (rows,).
        right: P(right) of each call that a second stage let through, shape (rows,); NaN for every other row.
    """

    values: Floats
    right: Floats


class Decider(Protocol):
    """Answers rows of a features table."""

    @property
    def lookback(self) -> int:
        """Rows of an entity that it reads to answer one, that one included."""
        ...

    def answer(self, features: pl.DataFrame, rows: Mask | None = None) -> Answers:
        """Answer rows of a features table.

        Args:
            features: Features table, sorted by entity and time, with ``lookback`` rows for every wanted one.
            rows: The wanted rows; None = all.
        """
        ...


@dataclass(frozen=True)
class Single:
    """One fitted model."""

    recipe: Recipe

    @property
    def lookback(self) -> int:
        """Length of its sequences; 1 for a model that reads each row alone."""
        return self.recipe.history.steps if self.recipe.history else 1

    def answer(self, features: pl.DataFrame, rows: Mask | None = None) -> Answers:
        """The model's prediction."""
        values = self.recipe.predict(features, rows)
        return Answers(values, np.full(len(values), np.nan))


@dataclass(frozen=True)
class Pooled:
    """Several deciders whose answers are pooled."""

    pool: Pool
    members: Mapping[str, Decider]

    @property
    def lookback(self) -> int:
        """The longest of the members."""
        return max(decider.lookback for decider in self.members.values())

    def answer(self, features: pl.DataFrame, rows: Mask | None = None) -> Answers:
        """The pooled answer of the members."""
        values = self.pool.apply(
            {name: decider.answer(features, rows).values for name, decider in self.members.items()}
        )
        return Answers(values, np.full(len(values), np.nan))


@dataclass(frozen=True)
class Judged:
    """A decider whose calls a second stage lets through or holds back; without one, all pass."""

    base: Decider
    stage: Recipe | None
    threshold: float

    @property
    def lookback(self) -> int:
        """That of the base: a second stage reads each row alone."""
        return self.base.lookback

    def answer(self, features: pl.DataFrame, rows: Mask | None = None) -> Answers:
        """The base's answer without the calls that are held back."""
        base = self.base.answer(features, rows)
        if self.stage is None:
            return base
        right = judge(self.stage, features if rows is None else features.filter(rows), base.values)
        held = hold_back(base.values, right, self.threshold)
        return Answers(held, np.where(right >= self.threshold, right, np.nan))


@dataclass(frozen=True)
class Stock:
    """Everything a head has to decide by.

    Attributes:
        bundles: By model its bundle, fitted on all labelled rows.
        ensembles: The document of `combine`.
        second_stages: The files of `combine`.
    """

    bundles: Mapping[str, Files]
    ensembles: Mapping[str, Any]
    second_stages: Files


def pack(name: str, stock: Stock) -> dict[str, bytes]:
    """The files that answer as a model or an ensemble does after the last fold.

    A model is its own bundle. An ensemble is ``ensemble.json`` (what is done with the members), each member, packed
    likewise, under its name, and the fitted second stage, if there is one, under ``second-stage``.

    Args:
        name: A model that took part in the run, or an ensemble that was made.
        stock: What there is.
    """
    if name in stock.bundles:
        return dict(stock.bundles[name])
    told = stock.ensembles["contenders"][name]
    final = {key: told["final"][key] for key in ("pool", "weights", "intercepts")}
    about = {"name": name, "kind": told["kind"], "members": told["members"], **final, **told["settings"]}
    files = {ENSEMBLE: json.dumps(about, sort_keys=True, indent=1, allow_nan=False).encode()}
    for part in told["members"]:
        files |= {f"{part}/{file}": content for file, content in pack(part, stock).items()}
    stage = inside(stock.second_stages, f"{name}/{FINAL}")
    return files | {f"{SECOND_STAGE}/{file}": content for file, content in stage.items()}


def leaves(name: str, ensembles: Mapping[str, Any]) -> list[str]:
    """The models that a model or an ensemble answers by, each once."""
    if name not in ensembles["contenders"]:
        return [name]
    members = ensembles["contenders"][name]["members"]
    return list(dict.fromkeys(leaf for part in members for leaf in leaves(part, ensembles)))


def unpack(files: Files, *, feature_set_id: str) -> Decider:
    """Open what `pack` gave, for features of one feature set.

    Raises:
        BundleError: A model belongs to another feature set, or a file is missing, damaged or not trusted.
    """
    if ENSEMBLE not in files:
        return Single(open_recipe(files, feature_set_id=feature_set_id))
    told = _read(files)
    members = {part: unpack(inside(files, part), feature_set_id=feature_set_id) for part in told["members"]}
    if told["kind"] != "meta":
        return Pooled(Pool.from_dict(told), members)
    stage = inside(files, SECOND_STAGE)
    judging = open_recipe(stage, feature_set_id=feature_set_id) if stage else None
    return Judged(next(iter(members.values())), judging, told["threshold"])


def inside(files: Files, folder: str) -> dict[str, bytes]:
    """The files of one folder of a bundle, by their names in it."""
    start = f"{folder}/"
    return {name.removeprefix(start): content for name, content in files.items() if name.startswith(start)}


def _read(files: Files) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(member(files, ENSEMBLE))
        if told["kind"] == "meta":
            float(told["threshold"])
        else:
            Pool.from_dict(told)
        list(told["members"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError("ensemble", f"{ENSEMBLE} cannot be read ({error})", do="train the models again") from error
    return told
