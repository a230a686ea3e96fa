"""Meta-labels: a second stage that judges whether a call of a model should be acted on."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.ensembles.contender import Contender, Step
from assay.market.ensembles.rules import Meta
from assay.market.ensembles.table import FoldRule, Table, seen
from assay.market.errors import SplitError
from assay.market.models import build, called
from assay.market.models.base import Floats
from assay.market.parts import Seen
from assay.market.plan import Plan
from assay.market.preprocess import fit_preprocessor
from assay.market.recipe import Recipe, RecipePlan, Training
from assay.market.splits import Mask, holdout_tail
from assay.market.tables import CLASSES, KEY
from assay.market.weights import sample_weights

BASE = ("base_p_short", "base_p_neutral", "base_p_long", "base_side")
FINAL = "final"
SHORT, NEUTRAL, LONG = range(len(CLASSES))
MOST = 0.25  # largest probability of each side of a call that is held back


@dataclass(frozen=True)
class Sources:
    """What the ensembles of a head are made from, apart from the answers.

    Attributes:
        features: Features table, all rows of the prepared dataset.
        labels: Labels table of the same rows.
        folds: What each fold, and the time after the last one, may learn from.
        plan: Plan of the head.
    """

    features: pl.DataFrame
    labels: pl.DataFrame
    folds: list[FoldRule]
    plan: Plan


@dataclass(frozen=True)
class _Calls:
    """The answers of the base and what is known about each of its calls, rows as in the table.

    Attributes:
        inputs: Features, and the base's probabilities and side.
        labels: Labels table.
        probabilities: Those of the base, shape (rows, 3).
        acts: Where the base calls SHORT or LONG.
        right: 1 where the outcome had the sign of the call, else 0.
    """

    inputs: pl.DataFrame
    labels: pl.DataFrame
    probabilities: Floats
    acts: Mask
    right: npt.NDArray[np.int8]


def contend_meta(table: Table, rule: Meta, sources: Sources, *, name: str) -> Contender:
    """Let a second stage judge every call of a base.

    Meta-labelling is from Lopez de Prado, *Advances in Financial Machine Learning* (2018), 3.6.

    For fold k a binary model learns P(right), right being ``side * forward_return > 0``, on the calls of the base in
    earlier folds whose outcomes were known before fold k began, embargo included. The base was out of sample on all of
    them. It reads the features chosen in the training part of fold k, and the base's probabilities and side. Nothing is
    accepted on a fold kept aside: the threshold is fixed beforehand. Until there are ``min_rows`` such calls, with both
    outcomes, the base answers alone.

    Args:
        table: Answers of the base, and what came.
        rule: Which base, which second stage.
        sources: Features, labels and folds.
        name: Name of the ensemble.

    Returns:
        The base's answers with the calls that are held back taken out, see `hold_back`.
    """
    calls = _read_calls(table, table.answers[rule.base], sources)
    answers = calls.probabilities.copy()
    steps, fits, files = list[Step](), list[dict[str, Any]](), dict[str, bytes]()
    for fold in sources.folds:
        mask = fold.earlier & calls.acts
        recipe = _fit(calls, mask, rule, sources.plan, part=f"fold {fold.fold}" if fold.fold else "all")
        steps.append(_step(fold, table, mask, recipe))
        if isinstance(recipe, str):
            continue
        where = f"fold_{fold.fold}" if fold.fold else FINAL
        files |= {f"{where}/{file}": content for file, content in recipe.dump().items()}
        if fold.fold:
            right = judge(recipe, calls.inputs.filter(fold.apply), calls.probabilities[fold.apply])
            answers[fold.apply] = hold_back(calls.probabilities[fold.apply], right, rule.threshold)
            fits += _seen(table, fold, mask, plan=sources.plan, name=name)
    settings = {"threshold": rule.threshold}
    return Contender(rule.kind, (rule.base,), {}, answers, steps, fits, files, settings)


def judge(recipe: Recipe, features: pl.DataFrame, probabilities: Floats) -> Floats:
    """How probable it is that each call is right.

    Args:
        recipe: A fitted second stage.
        features: Features of the rows.
        probabilities: What the base says about them, shape (rows, 3).

    Returns:
        P(right), shape (rows,); NaN where the base calls NEUTRAL.
    """
    acts = called(probabilities) != 0
    right = np.full(len(acts), np.nan)
    if acts.any():
        right[acts] = recipe.predict(_inputs(features, probabilities).filter(acts))
    return right


def hold_back(probabilities: Floats, right: Floats, threshold: float) -> Floats:
    """Take out the calls that are not probable enough to be right.

    What the base gives the side of such a call beyond the other side goes to NEUTRAL, and more until it has half: the
    row leans nowhere, and a calibrator would have to be drastic to call a side again. All other rows stay as they are.

    Args:
        probabilities: Those of the base, shape (rows, 3).
        right: P(right), shape (rows,); NaN where there is no call.
        threshold: Least P(right) of a call that stays.
    """
    out = probabilities.copy()
    held = right < threshold
    less = np.minimum(np.minimum(out[held, SHORT], out[held, LONG]), MOST)
    out[held] = np.column_stack([less, 1 - 2 * less, less])
    return out


def _read_calls(table: Table, probabilities: Floats, sources: Sources) -> _Calls:
    keys = table.rows.select(KEY)
    features = keys.join(sources.features, on=KEY, how="left", maintain_order="left")
    labels = keys.join(sources.labels, on=KEY, how="left", maintain_order="left")
    side = called(probabilities)
    right = side * labels["forward_return"].fill_null(0.0).to_numpy() > 0
    return _Calls(_inputs(features, probabilities), labels, probabilities, side != 0, right.astype(np.int8))


def _inputs(features: pl.DataFrame, probabilities: Floats) -> pl.DataFrame:
    columns = zip(BASE, (*probabilities.T, called(probabilities)), strict=True)
    return features.with_columns(pl.Series(name, values).cast(pl.Float32) for name, values in columns)


def _fit(calls: _Calls, mask: Mask, rule: Meta, plan: Plan, *, part: str) -> Recipe | str:
    """A fitted second stage, or why there is none."""
    rows = int(mask.sum())
    if rows < rule.min_rows:
        return f"the answers of {rule.base}: {rows} of its calls had a known outcome, {rule.min_rows} are needed"
    inputs, labels, right = calls.inputs.filter(mask), calls.labels.filter(mask), calls.right[mask]
    fit_rows, tail_rows = np.ones(rows, dtype=bool), np.zeros(rows, dtype=bool)
    if rule.model.root.stops_early:
        try:
            fit_rows, tail_rows = holdout_tail(labels, plan.learning.tail)
        except SplitError as error:
            return f"the answers of {rule.base}: {error.thing} of its calls, {error.problem}"
    if len(np.unique(right[fit_rows])) < 2:
        return f"the answers of {rule.base}: its known calls are all right or all wrong"
    kept = (*plan.selection(part).kept, *BASE)
    return _fit_recipe(inputs, labels.with_columns(right=right), rule, plan, parts=(kept, fit_rows, tail_rows))


def _fit_recipe(
    inputs: pl.DataFrame,
    labels: pl.DataFrame,
    rule: Meta,
    plan: Plan,
    *,
    parts: tuple[tuple[str, ...], Mask, Mask],
) -> Recipe:
    columns, fit_rows, tail_rows = parts
    fitted, used, right = labels.filter(fit_rows), labels.filter(fit_rows | tail_rows), labels["right"].to_numpy()
    known = _with_values(inputs.filter(fit_rows), columns)
    preprocessor = fit_preprocessor(inputs.filter(fit_rows), known, standardise=plan.learning.standardise)
    tail = (preprocessor.transform(inputs.filter(tail_rows)), right[tail_rows]) if tail_rows.any() else None
    model = build(rule.model.root, "binary", seed=plan.learning.seed)
    weight = sample_weights(fitted, plan.learning.weights)
    model.fit(preprocessor.transform(inputs.filter(fit_rows)), right[fit_rows], tail, weight=weight)
    return Recipe(
        plan=_recipe_plan(rule, plan),
        feature_columns=columns,
        inputs=preprocessor,
        model=model,
        target_scale=1.0,
        training=_training(used, fitted.height),
        selection=None,
        fits=(Seen.of("preprocess", fitted), Seen.of("weights", fitted), Seen.of("model", used)),
        best_iteration=model.best_iteration,
    )


def _recipe_plan(rule: Meta, plan: Plan) -> RecipePlan:
    return RecipePlan(
        params=rule.model.root,
        kind="binary",
        feature_set_id=plan.feature_set_id,
        seed=plan.learning.seed,
        tail=plan.learning.tail,
        weights=plan.learning.weights,
        standardise=plan.learning.standardise,
    )


def _training(used: pl.DataFrame, rows: int) -> Training:
    first, last, known = used["time"].min(), used["time"].max(), used["label_end"].max()
    return Training(cast("Any", first), cast("Any", last), cast("Any", known), rows, used.height - rows)


def _with_values(inputs: pl.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """The columns with a finite value: a feature can be missing on all calls, though not on all training rows."""
    finite = inputs.select(pl.col(columns).is_finite().any()).row(0, named=True)
    return [name for name in columns if finite[name]]


def _step(fold: FoldRule, table: Table, mask: Mask, recipe: Recipe | str) -> Step:
    if isinstance(recipe, str):
        return Step(fold.fold, None, rows=int(mask.sum()), fallback=recipe)
    folds = table.rows.filter(mask)["fold"].unique().sort()
    return Step(fold.fold, None, fitted_on=tuple(folds.to_list()), rows=int(mask.sum()))


def _seen(table: Table, fold: FoldRule, mask: Mask, *, plan: Plan, name: str) -> list[dict[str, Any]]:
    """What the second stage of a fold has seen: the choice of its features, and the calls."""
    own, chosen = seen(table, fold, mask, model=name, what="meta"), plan.selection(f"fold {fold.fold}")
    selection = Seen("selection", chosen.last_time_seen, chosen.last_label_end).to_dict()
    return [own | selection, own]
