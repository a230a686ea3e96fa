"""A recipe: preprocessing and model, fitted together on one training part and stored as one bundle of files."""

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from importlib import import_module
from typing import Any, cast

import numpy as np
import polars as pl

from assay.market.errors import AssayError, BundleError, SplitError
from assay.market.models import Bins, Files, Model, ModelParams, ModelRule, build, restore
from assay.market.models.base import Explained, Floats, Lookback, Rows, Target, member
from assay.market.models.seal import seal, verify
from assay.market.parts import TARGETS, Seen, check_classes, check_same_rows, feature_names, known
from assay.market.preprocess import Inputs, Preprocessor, RawColumns, fit_preprocessor, read_rows
from assay.market.selection import Selection
from assay.market.splits import Mask, holdout_tail
from assay.market.weights import WeightRule, sample_weights
from assay.market.workload import Kind

RECIPE, PREPROCESS = "recipe.json", "preprocess.json"
UNWEIGHTED = WeightRule()


@dataclass(frozen=True)
class RecipePlan:
    """Everything that decides a fit, apart from the rows.

    Attributes:
        params: Parameters of the model (``ModelParams.root``).
        kind: Kind of the head.
        feature_set_id: The feature set that the model will be bound to.
        seed: Seed of the model.
        tail: Share of the newest training timestamps that early stopping watches and selection leaves out.
        weights: How training rows are weighted.
        standardise: Whether inputs are brought to mean 0 and standard deviation 1.
        tuned: What the search for ``params`` has seen; None where nothing was searched.
    """

    params: ModelRule
    kind: Kind
    feature_set_id: str
    seed: int = 0
    tail: float = 0.15
    weights: WeightRule = UNWEIGHTED
    standardise: bool = True
    tuned: Seen | None = None

    def with_values(self, values: dict[str, Any]) -> "RecipePlan":
        """The same plan with some parameters of the model replaced, e.g. by tuned values."""
        return replace(self, params=self.params.with_values(values))


@dataclass(frozen=True)
class Training:
    """What a fit has seen.

    Attributes:
        first_time: First decision time.
        last_time: Last decision time.
        last_label_end: When the newest label was known.
        rows: Rows the model was fitted on.
        tail_rows: Newer rows that early stopping watched.
    """

    first_time: datetime
    last_time: datetime
    last_label_end: datetime
    rows: int
    tail_rows: int

    def to_dict(self) -> dict[str, Any]:
        """With ISO times, ready for JSON."""
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> "Training":
        """Read what `to_dict` gave."""
        times = {key: datetime.fromisoformat(state[key]) for key in ("first_time", "last_time", "last_label_end")}
        return cls(**(state | times))


@dataclass(frozen=True)
class Design:
    """A training part as the model sees it; tuning fits many models on one design.

    Attributes:
        inputs: Fitted preprocessing.
        X: What the model reads of the rows it is fitted on.
        y: Classes, or returns in units of ``target_scale``.
        weight: How much each row counts in the fit, shape (rows,).
        tail: The same for the newer rows that early stopping watches, or None.
        target_scale: Standard deviation of the returns in ``y``; 1 for classes. Models see returns in this unit, so
            that a penalty means the same for hourly and for daily bars.
        training: Rows and times of the training part.
        selection: What was chosen for it, without the ranks; None for a model that reads columns of its own.
        fits: What each fit has seen, the search for parameters first, the model's last.
        history: How far the model looks back from each row.
        bins: The rows as boosting libraries bin them, made by the first fit for all others on this design.
    """

    inputs: Inputs
    X: Rows
    y: Target
    weight: Floats
    tail: tuple[Rows, Target] | None
    target_scale: float
    training: Training
    selection: Selection | None
    fits: tuple[Seen, ...]
    history: Lookback | None
    bins: Bins = field(default_factory=Bins, repr=False, compare=False)

    def inputs_of(self, features: pl.DataFrame, rows: Mask | None = None) -> Rows:
        """What the model reads of some rows of a features table; see `read_rows`."""
        return read_rows(self.inputs, features, rows, self.history)


@dataclass(frozen=True)
class Recipe:
    """A fitted recipe.

    Attributes:
        plan: What was planned.
        feature_columns: Features that were on offer.
        inputs: Fitted preprocessing; ``inputs.columns`` are the features the model reads.
        model: Fitted model.
        target_scale: See `Design`.
        training: Rows and times of the training part.
        selection: See `Design`.
        fits: See `Design`.
        best_iteration: Boosting rounds that early stopping kept, else None.
    """

    plan: RecipePlan
    feature_columns: tuple[str, ...]
    inputs: Inputs
    model: Model
    target_scale: float
    training: Training
    selection: Selection | None
    fits: tuple[Seen, ...]
    best_iteration: int | None = None

    @property
    def history(self) -> Lookback | None:
        """How far the model looks back from each row."""
        return self.plan.params.history

    def predict(self, features: pl.DataFrame, rows: Mask | None = None) -> Floats:
        """Predict rows of a features table of the same feature set.

        Args:
            features: At least the columns that the model reads; missing values are fine. For a model with a
                ``history`` sorted by entity and time, and holding the rows that the wanted ones look back on.
            rows: The wanted rows; None = all.

        Returns:
            Probabilities of SHORT, NEUTRAL, LONG, shape (rows, 3), of 1, shape (rows,), or forward returns, shape
            (rows,).

        Raises:
            DataError: A column is missing.
        """
        out = self.model.predict(read_rows(self.inputs, features, rows, self.history))
        return out * self.target_scale if self.plan.kind == "regression" else out

    def explain(self, features: pl.DataFrame, rows: Mask | None = None) -> Explained | None:
        """What each feature that the model reads adds to its answers; None for a model that reads none.

        Arguments as for `predict`. Returns are explained in their own unit, classes in that of the model's scores.
        """
        told = self.model.explain(read_rows(self.inputs, features, rows, self.history))
        if told is None or self.plan.kind != "regression":
            return told
        return Explained(told.values * self.target_scale, told.base * self.target_scale)

    def importance(self) -> dict[str, float]:
        """Share of each feature in the model, summing to 1; all 0 for a model that uses none."""
        weights = self.model.importance()
        total = float(weights.sum())
        return dict(zip(self.inputs.columns, (weights / (total or 1.0)).tolist(), strict=True))

    def dump(self) -> dict[str, bytes]:
        """The recipe as files: ``preprocess.json`` where there is preprocessing, the model's, and ``recipe.json``.

        The last one is the card: it describes the recipe, and holds size and SHA-256 of the others.
        """
        files = self.model.dump()
        if isinstance(self.inputs, Preprocessor):
            files[PREPROCESS] = self.inputs.to_json()
        card = self._card() | {"files": seal(files)}
        return {RECIPE: json.dumps(card, sort_keys=True, indent=1, allow_nan=False).encode(), **files}

    def _card(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "kind": plan.kind,
            "params": plan.params.model_dump(mode="json", exclude={"search"}),
            "feature_set_id": plan.feature_set_id,
            "seed": plan.seed,
            "tail": plan.tail,
            "weights": plan.weights.model_dump(mode="json"),
            "standardise": plan.standardise,
            "selection": self.selection.model_dump(mode="json") if self.selection else None,
            "feature_columns": self.feature_columns,
            "importance": self.importance(),
            "best_iteration": self.best_iteration,
            "target_scale": self.target_scale,
            "training": self.training.to_dict(),
            "fits": [seen.to_dict() for seen in self.fits],
            "versions": {name: import_module(name).__version__ for name in ("numpy", "polars", plan.params.library)},
        }


def fit_recipe(
    features: pl.DataFrame, labels: pl.DataFrame, plan: RecipePlan, *, selection: Selection, rows: Mask | None = None
) -> Recipe:
    """Fit preprocessing and model on a training part.

    Args:
        features: Features table, sorted by entity and time.
        labels: Labels table of the same rows in the same order; rows without a label are left out.
        plan: What to fit.
        selection: The features chosen for this training part; models that read columns of their own ignore it.
        rows: The training part, None = all rows. Of the others a model that looks back reads those before its rows.

    Returns:
        The fitted recipe.

    Raises:
        DataError: Features and labels are not the same rows, or a feature is missing.
        SplitError: The selection was made on other rows, too few rows for the purged tail, or a single class to learn.
        ConfigurationError: The model cannot predict such a head.
    """
    design = prepare(features, labels, plan, selection=selection, rows=rows)
    model = fit_model(design, plan)
    return Recipe(
        plan=plan,
        feature_columns=tuple(feature_names(features)),
        inputs=design.inputs,
        model=model,
        target_scale=design.target_scale,
        training=design.training,
        selection=design.selection,
        fits=design.fits,
        best_iteration=model.best_iteration,
    )


def prepare(
    features: pl.DataFrame, labels: pl.DataFrame, plan: RecipePlan, *, selection: Selection, rows: Mask | None = None
) -> Design:
    """Set the purged tail aside, fit weights and preprocessing on the rest, and bring both parts to the model.

    Models that do not stop early train on all rows. Arguments and errors are those of `fit_recipe`.
    """
    check_same_rows(features, labels)
    part = known(labels, plan.kind) & (True if rows is None else rows)
    chosen = _usable_selection(selection, labels.filter(part), plan)
    fit_rows, tail_rows = _parts(labels, part, plan)
    used, fitted = labels.filter(fit_rows | tail_rows), labels.filter(fit_rows)
    y, newer = _target(labels, fit_rows, plan.kind), _target(labels, tail_rows, plan.kind)
    if chosen and plan.kind == "classification":
        check_classes(y)
    target_scale = 1.0
    if plan.kind == "regression":
        target_scale = float(y.std()) or 1.0
        y, newer = y / target_scale, newer / target_scale
    inputs, history = _fit_inputs(features.filter(fit_rows), plan, chosen), plan.params.history
    return Design(
        inputs=inputs,
        X=read_rows(inputs, features, fit_rows, history),
        y=y,
        weight=sample_weights(fitted, plan.weights),
        tail=(read_rows(inputs, features, tail_rows, history), newer) if tail_rows.any() else None,
        target_scale=target_scale,
        training=_training(used, int(fit_rows.sum()), int(tail_rows.sum())),
        selection=chosen,
        fits=(
            *([plan.tuned] if plan.tuned else []),
            *_seen_before(inputs, chosen, fitted),
            Seen.of("weights", fitted),
            Seen.of("model", used),
        ),
        history=history,
    )


def fit_model(design: Design, plan: RecipePlan) -> Model:
    """Fit the model of ``plan`` on a prepared training part; it answers in units of ``design.target_scale``."""
    model = build(plan.params, plan.kind, seed=plan.seed, bins=design.bins)
    model.fit(design.X, design.y, design.tail, weight=design.weight)
    return model


def open_recipe(files: Files, *, feature_set_id: str) -> Recipe:
    """Open a dumped recipe for features of one feature set.

    Args:
        files: What `Recipe.dump` gave, and nothing else.
        feature_set_id: Feature set of the rows that will be predicted.

    Raises:
        BundleError: The recipe belongs to another feature set, or a file is missing, one too many, altered, a pickle,
            or not trusted. All this is found before a library reads a byte of its model: some crash on a damaged one.
    """
    card = _read_card(files)
    if card["feature_set_id"] != feature_set_id:
        raise BundleError(
            "model bundle",
            "was trained on another feature set",
            expected=card["feature_set_id"],
            found=feature_set_id,
            do="train the model again on the current features, or compute the features it was trained on",
        )
    try:
        verify({name: content for name, content in files.items() if name != RECIPE}, card["files"])
        return _restore(card, files)
    except AssayError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError("model bundle", f"cannot be opened ({error})", do="train the model again") from error


def _parts(labels: pl.DataFrame, part: Mask, plan: RecipePlan) -> tuple[Mask, Mask]:
    """The rows to fit on and, for a model that stops early, the newer ones it watches, among all rows."""
    fit_rows, tail_rows = part.copy(), np.zeros_like(part)
    if plan.params.stops_early:
        fit_rows[part], tail_rows[part] = holdout_tail(labels.filter(part), plan.tail)
    return fit_rows, tail_rows


def _target(labels: pl.DataFrame, rows: Mask, kind: Kind) -> Target:
    return labels.filter(rows)[TARGETS[kind]].to_numpy()


def _usable_selection(selection: Selection, labels: pl.DataFrame, plan: RecipePlan) -> Selection | None:
    """The selection without its ranks, None for a model that does not read it.

    It must have been made on these rows before the tail: a choice that saw the tail, or a later row, is a leak, and one
    of an older training part is a mistake.
    """
    if plan.params.inputs is not None:
        return None
    part = labels.filter(holdout_tail(labels, plan.tail)[0])
    expected = (part.height, part["time"].max(), part["label_end"].max())
    found = (selection.rows, selection.last_time_seen, selection.last_label_end)
    if found != expected:
        raise SplitError(
            "selection of features",
            "was not made on this training part before its tail",
            expected=_told(*expected),
            found=_told(*found),
            do="choose the features again: run the stage selection",
        )
    return selection.summary()


def _told(rows: int, last_time: object, last_label_end: object) -> str:
    return f"{rows} rows to {last_time}, last label known {last_label_end}"


def _fit_inputs(features: pl.DataFrame, plan: RecipePlan, selection: Selection | None) -> Inputs:
    if selection is None:
        return RawColumns(plan.params.inputs or ())
    return fit_preprocessor(features, selection.kept, standardise=plan.standardise)


def _seen_before(inputs: Inputs, selection: Selection | None, fitted: pl.DataFrame) -> list[Seen]:
    """What selection and preprocessing have seen, in their own words where they keep record."""
    if selection is None or not isinstance(inputs, Preprocessor):
        return []
    chosen = Seen("selection", selection.last_time_seen, selection.last_label_end)
    return [chosen, replace(Seen.of("preprocess", fitted), last_time_seen=inputs.last_time_seen)]


def _training(labels: pl.DataFrame, rows: int, tail_rows: int) -> Training:
    return Training(
        first_time=cast("datetime", labels["time"].min()),
        last_time=cast("datetime", labels["time"].max()),
        last_label_end=cast("datetime", labels["label_end"].max()),
        rows=rows,
        tail_rows=tail_rows,
    )


def _read_card(files: Files) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads(member(files, RECIPE))
        card["feature_set_id"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError("model bundle", f"{RECIPE} cannot be read ({error})", do="train the model again") from error
    return card


def _restore(card: dict[str, Any], files: Files) -> Recipe:
    params = ModelParams.model_validate(card["params"]).root
    fits = tuple(Seen.from_dict(seen) for seen in card["fits"])
    plan = RecipePlan(
        params=params,
        kind=card["kind"],
        feature_set_id=card["feature_set_id"],
        seed=card["seed"],
        tail=card["tail"],
        weights=WeightRule.model_validate(card["weights"]),
        standardise=card["standardise"],
        tuned=next((seen for seen in fits if seen.what == "tuning"), None),
    )
    raw = params.inputs
    return Recipe(
        plan=plan,
        feature_columns=tuple(card["feature_columns"]),
        inputs=RawColumns(raw) if raw is not None else Preprocessor.from_json(member(files, PREPROCESS)),
        model=restore(params, plan.kind, files),
        target_scale=card["target_scale"],
        training=Training.from_dict(card["training"]),
        selection=Selection.model_validate(card["selection"]) if card["selection"] else None,
        fits=fits,
        best_iteration=card["best_iteration"],
    )
