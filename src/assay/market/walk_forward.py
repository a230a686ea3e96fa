"""Walk-forward validation: fit on the training part of each fold, predict its test part, keep the receipts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import SplitError
from assay.market.models import Files, called
from assay.market.parts import TARGETS, check_same_rows
from assay.market.progress import Track, silent
from assay.market.recipe import RECIPE, Recipe, RecipePlan, fit_recipe
from assay.market.selection import Selection
from assay.market.splits import Receipt, split_rows
from assay.market.tables import KEY, OUTCOMES, PREDICTIONS, PROBABILITIES, stack_by_model
from assay.market.workload import Kind

RECEIPT = "receipt.json"
SEEN = ("what", "last_time_seen", "last_label_end")
IMPORTANCE = {"fold": pl.Int32, "feature": pl.String, "importance": pl.Float64}


@dataclass(frozen=True)
class Fold:
    """A planned test fold.

    Attributes:
        receipt: Its rows and those of its training part.
        selection: The features chosen for that training part.
    """

    receipt: Receipt
    selection: Selection


def validate(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    folds: Sequence[Fold],
    *,
    plan: RecipePlan,
    track: Track = silent,
) -> tuple[pl.DataFrame, dict[str, bytes]]:
    """Fit and predict every fold; nothing with a fit sees a row outside the training part of its fold.

    Args:
        features: Features table, all rows.
        labels: Labels table of the same rows in the same order.
        folds: The planned folds.
        plan: What to fit in each fold.
        track: Shows the progress over folds.

    Returns:
        The predictions table: one row per row of a test fold, labelled or not, sorted by entity and time.
        The fitted recipes as files, named ``fold_<number>/<file>``; ``receipt.json`` beside each says what its
        fits have seen: rows, features kept and dropped, last time and label of each, the rounds early stopping kept.

    Raises:
        DataError: Features and labels are not the same rows, or no feature can be used in a fold.
        SplitError: A training label reaches its test fold, features were chosen on other rows, or a training part is
            too small.
        ConfigurationError: The model cannot predict such a head.
    """
    check_same_rows(features, labels)
    tables = []
    files: dict[str, bytes] = {}
    for planned in track(folds, "folds"):
        receipt = planned.receipt
        train, test = split_rows(labels, receipt)
        _check_split(labels.filter(train), receipt)
        recipe = fit_recipe(features, labels, plan, selection=planned.selection, rows=train)
        out = recipe.predict(features, test)
        tables.append(_predictions(labels.filter(test), out, receipt, plan))
        fold = recipe.dump() | {RECEIPT: _fit_receipt(recipe, receipt)}
        files |= {f"fold_{receipt.fold}/{name}": content for name, content in fold.items()}
    return pl.concat(tables).sort(KEY), files


def no_predictions(kind: Kind) -> pl.DataFrame:
    """The predictions table of a model that was left out: the columns of `validate`, and no row."""
    dtype, more = (pl.Int8, PROBABILITIES) if kind == "classification" else (pl.Float64, ())
    none = [pl.Series(name, [], dtype=dtype) for name in OUTCOMES] + [pl.Series(name, [], pl.Float64) for name in more]
    return pl.DataFrame(schema=PREDICTIONS).with_columns(none)


def fold_bundle(fold_files: Files, fold: int) -> dict[str, bytes]:
    """The fitted recipe of one fold among the files that `validate` gave, as ``open_recipe`` takes it."""
    prefix = f"fold_{fold}/"
    mine = {name.removeprefix(prefix): content for name, content in fold_files.items() if name.startswith(prefix)}
    return {name: content for name, content in mine.items() if name != RECEIPT}


def importance_table(fold_files: Mapping[str, bytes]) -> pl.DataFrame:
    """Importance of each feature in each fold, from the files that `validate` gave.

    Returns:
        Columns fold, feature, importance (share within the fold); sorted by fold, most important first, then by name.
    """
    cards = {name: json.loads(content) for name, content in fold_files.items() if name.endswith(f"/{RECIPE}")}
    rows = [
        (int(name.split("/")[0].removeprefix("fold_")), feature, share)
        for name, card in cards.items()
        for feature, share in card["importance"].items()
    ]
    table = pl.DataFrame(rows, schema=IMPORTANCE, orient="row")
    return table.sort("fold", "importance", "feature", descending=[False, True, False])


def rank_features(fold_files: Mapping[str, Files]) -> pl.DataFrame:
    """Importance of each feature in each fold of each model of a head.

    Args:
        fold_files: By model what `validate` gave.

    Returns:
        Column model, then those of `importance_table`; in the order of the models.
    """
    return stack_by_model({model: importance_table(files) for model, files in fold_files.items()})


def collect_fits(fold_files: Mapping[str, Files]) -> list[dict[str, Any]]:
    """Say of every fit of a head how far it saw: what a check of the fit scope reads.

    Args:
        fold_files: By model what `validate` gave.

    Returns:
        One record per model, fold and fit: ``model, fold, what, last_time_seen, last_label_end, test_start``, times in
        ISO format; ``what`` is tuning, selection, preprocess, weights or model.
    """
    receipts = [
        (model, json.loads(content))
        for model, files in fold_files.items()
        for name, content in files.items()
        if name.endswith(f"/{RECEIPT}")
    ]
    return [
        {"model": model, "fold": told["fold"], **{name: seen[name] for name in SEEN}, "test_start": told["test_start"]}
        for model, told in receipts
        for seen in told["fits"]
    ]


def _check_split(train: pl.DataFrame, receipt: Receipt) -> None:
    receipt.check()
    late = train.filter(pl.col("label_end") >= receipt.test_start).height
    if late or train.height != receipt.train_rows:
        raise SplitError(
            f"fold {receipt.fold}",
            "the training part is not the one that was planned",
            expected=f"{receipt.train_rows} rows, all labels known before {receipt.test_start}",
            found=f"{train.height} rows, {late} with a later label end",
            do="plan the folds again from these labels",
        )


def _predictions(test: pl.DataFrame, out: npt.NDArray[np.float64], receipt: Receipt, plan: RecipePlan) -> pl.DataFrame:
    answers: dict[str, Any] = {"y_pred": out}
    if plan.kind == "classification":
        answers = {"y_pred": called(out)} | dict(zip(PROBABILITIES, out.T, strict=True))
    return test.select(
        *KEY,
        "label_end",
        pl.lit(receipt.fold, dtype=pl.Int32).alias("fold"),
        pl.lit(receipt.last_train_label_end, dtype=test.schema["label_end"]).alias("train_end"),
        "forward_return",
        "scale",
        pl.col(TARGETS[plan.kind]).alias("y_true"),
    ).with_columns(pl.Series(name, values) for name, values in answers.items())


def _fit_receipt(recipe: Recipe, receipt: Receipt) -> bytes:
    training, selection = recipe.training, recipe.selection
    told = {
        "fold": receipt.fold,
        **training.to_dict(),
        "last_time_seen": max(seen.last_time_seen for seen in recipe.fits).isoformat(),
        "fits": [seen.to_dict() for seen in recipe.fits],
        "train_end": receipt.train_end.isoformat(),
        "test_start": receipt.test_start.isoformat(),
        "test_rows": receipt.test_rows,
        "features": list(recipe.inputs.columns),
        "dropped": selection.dropped if selection else {},
        "best_iteration": recipe.best_iteration,
    }
    return json.dumps(told, sort_keys=True, indent=1, allow_nan=False).encode()
