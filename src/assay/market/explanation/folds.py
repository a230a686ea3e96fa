"""What moved the answers of the models of the folds, on rows that they had not seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from assay.market.explanation.rule import ExplanationRule
from assay.market.explanation.sample import sample_rows
from assay.market.left_out import left_out
from assay.market.models import Files
from assay.market.models.base import Explained, Floats
from assay.market.plan import Plan
from assay.market.progress import Track, silent
from assay.market.recipe import Recipe, open_recipe
from assay.market.splits import Mask, Receipt, split_rows
from assay.market.tables import KEY, SHAP_VALUES
from assay.market.walk_forward import fold_bundle
from assay.market.workload import Kind

Unit = Literal["log-odds", "probability", "return"]
READS_NOTHING = "no feature is read, so there is nothing to explain"


@dataclass(frozen=True)
class Accounts:
    """How the explanations of a model are to be read.

    Attributes:
        unit: Unit of its SHAP values: ``log-odds`` of LONG against SHORT, ``probability`` of LONG less that of SHORT,
            or ``return``.
        gap: Largest distance between an answer and the sum that explains it, in that unit.
    """

    unit: Unit
    gap: float


@dataclass(frozen=True)
class Explanations:
    """What `explain_folds` found.

    Attributes:
        table: Grain model, fold, entity, time, feature: ``value``, the feature as it is in the features table (null
            where unknown), and ``shap``, what it added to the answer; sorted by fold, feature and row within a model.
        accounts: By explained model.
        left_out: Why other models are not explained.
    """

    table: pl.DataFrame
    accounts: dict[str, Accounts]
    left_out: dict[str, str]


def explain_folds(
    model_input: pl.DataFrame,
    plan: Plan,
    *,
    fold_models: Mapping[str, Files],
    rule: ExplanationRule,
    track: Track = silent,
) -> Explanations:
    """Explain out-of-sample rows of every fold of every model of a head.

    SHAP values (Lundberg and Lee, *NeurIPS* 2017) of the answer of the fold's own model on rows of its test fold, so
    they say what moved the answers that are scored. Classes are explained by direction: what a feature adds to LONG
    less what it adds to SHORT.

    Args:
        model_input: The prepared dataset.
        plan: Plan of the head.
        fold_models: By model the bundles that ``validate`` gave.
        rule: How many rows.
        track: Shows the progress over models.

    Returns:
        The explanations; models of one family explain the same rows.

    Raises:
        DataError: The dataset is not the one that the plan was made for.
        BundleError: A bundle is damaged or of another feature set.
    """
    features, labels = plan.open(model_input)
    tables, accounts, reasons = [], {}, {}
    for model in track(list(fold_models), "models"):
        reason = left_out(fold_models[model])
        parts = [] if reason else list(_explained(features, labels, plan, files=fold_models[model], rule=rule))
        if parts:
            tables += [part.select(pl.lit(model).alias("model"), pl.all()) for part, _ in parts]
            accounts[model] = _in_all([account for _, account in parts])
        else:
            reasons[model] = reason or READS_NOTHING
    table = pl.concat([pl.DataFrame(schema=SHAP_VALUES), *tables])
    return Explanations(table, accounts, reasons)


def known(columns: Sequence[str]) -> pl.Expr:
    """Features as they are, null where the model finds no number."""
    return pl.when(pl.col(columns).is_finite()).then(pl.col(columns))


def explain_answers(recipe: Recipe, features: pl.DataFrame, rows: Mask) -> tuple[Explained, Accounts] | None:
    """Explain the answers of a fitted recipe: values as they are, classes by direction, LONG less SHORT.

    Args:
        recipe: The fitted recipe.
        features: Features table, as `Recipe.predict` needs it.
        rows: The rows to explain, shape (n,).

    Returns:
        SHAP values of shape (rows, features) with one base, and how they are to be read; None for a model that reads
        no features.
    """
    told = recipe.explain(features, rows)
    if told is None:
        return None
    if recipe.plan.kind == "classification":
        told = Explained(told.values[..., -1] - told.values[..., 0], told.base[-1] - told.base[0])
    sums = told.base + told.values.sum(axis=1)
    return told, _account(sums, recipe.predict(features, rows), recipe.plan.kind)


def _explained(
    features: pl.DataFrame, labels: pl.DataFrame, plan: Plan, *, files: Files, rule: ExplanationRule
) -> Iterator[tuple[pl.DataFrame, Accounts]]:
    """Table and account of each fold, oldest first; nothing for a model that reads no features."""
    for receipt in plan.receipts:
        recipe = open_recipe(fold_bundle(files, receipt.fold), feature_set_id=plan.feature_set_id)
        rows = _sample(labels, receipt, rule, recipe.plan.params.kind)
        if found := explain_answers(recipe, features, rows):
            told, account = found
            yield _table(features.filter(rows), recipe.inputs.columns, told.values, fold=receipt.fold), account


def _sample(labels: pl.DataFrame, receipt: Receipt, rule: ExplanationRule, kind: str) -> Mask:
    test = split_rows(labels, receipt)[1]
    return sample_rows(test, rule.rows_of(kind), seed=(rule.seed, receipt.fold))


def _table(features: pl.DataFrame, columns: tuple[str, ...], values: Floats, *, fold: int) -> pl.DataFrame:
    raw = features.select(*KEY, known(columns).cast(pl.Float32))
    long = raw.unpivot(columns, index=KEY, variable_name="feature", value_name="value")
    shap = pl.Series("shap", values.T.ravel(), dtype=pl.Float32)
    return long.select(pl.lit(fold, dtype=pl.Int32).alias("fold"), pl.all(), shap)


def _account(sums: Floats, answers: Floats, kind: Kind) -> Accounts:
    """Families add up in one of two units, which the answers tell apart: one of them is met, the other is not."""
    if kind != "classification":
        return Accounts("return", float(np.abs(sums - answers).max()))
    short, _, long = answers.T
    with np.errstate(divide="ignore", invalid="ignore"):  # a forest may give a class no probability at all
        odds = np.abs(np.log(long) - np.log(short) - sums).max()
    probability = np.abs(long - short - sums).max()
    return Accounts("log-odds", float(odds)) if odds < probability else Accounts("probability", float(probability))


def _in_all(accounts: list[Accounts]) -> Accounts:
    worst = max(accounts, key=lambda account: account.gap)
    return Accounts(worst.unit, worst.gap)
