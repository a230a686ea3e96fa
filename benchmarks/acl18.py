"""The public ACL18 task (StockNet, Xu and Cohen 2018): will a stock rise or fall on the next day?

    python benchmarks/acl18.py FOLDER                      # all models, 5 seeds
    python benchmarks/acl18.py FOLDER xgboost lstm --seeds 2

FOLDER holds `features.parquet` of the task: 11 features per stock and day, and the class of the move INTO the day. A
sample is the rows t-5 .. t-1 and the class of row t. Train [2014-01-02, 2015-08-03), validation to 2015-10-01,
test [2015-10-01, 2015-12-31]; nothing is chosen on the test part, and the validation part is only what early stopping
watches. Parameters are the defaults of the models. Intervals resample whole test days. Each model is also held against
our logistic on the same days: accuracy, paired by day.
"""

import argparse
from datetime import date
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl

from assay.market.models import ModelParams, build
from assay.market.models.base import Sequences

WINDOW, MISSING = 5, -123321.0
VALIDATION, TEST = date(2015, 8, 3), date(2015, 10, 1)
FIRST, LAST = date(2014, 1, 2), date(2015, 12, 31)
MODELS = ("logistic", "xgboost", "lightgbm", "catboost", "hist_gradient_boosting", "random_forest", "mlp", "lstm")
SETTINGS = {"lstm": {"lookback": WINDOW, "targets": 1}}
DRAWN_BY_CHANCE = 2_000
PUBLISHED = (
    ("always up", 51.29, 0.0),
    ("LSTM (Feng et al. 2019)", 53.18, 0.0674),
    ("ALSTM (Feng et al. 2019)", 54.90, 0.1043),
    ("Adv-ALSTM (Feng et al. 2019)", 57.20, 0.1483),
    ("LSTM (replication)", 51.56, 0.0395),
    ("ALSTM (replication)", 55.00, 0.0995),
    ("Adv-ALSTM (replication)", 56.45, 0.1310),
)


def samples(folder: Path) -> tuple[Sequences, np.ndarray, pl.Series]:
    """Windows of whole rows, classes -1 and 1, and the day of each sample."""
    table = pl.read_parquet(folder / "features.parquet").sort("symbol", "date")
    names = table.columns[2:13]
    values = table.select(names).to_numpy().astype(np.float32)
    rows = np.arange(table.height)
    index = (rows[:, None] + np.arange(-WINDOW, 0)).astype(np.int32)
    first = table.select(pl.int_range(pl.len()).min().over("symbol")).to_series().to_numpy()
    whole = index[:, 0] >= first
    whole[whole] &= (values[index[whole]] > MISSING / 2).all(axis=(1, 2))
    days = table["date"]
    kept = whole & (table["label"] != 0).to_numpy() & days.is_between(FIRST, LAST).to_numpy()
    y = table["label"].to_numpy()[kept]
    return Sequences(values, index[kept]), y, days.filter(pl.Series(kept))


def standardised(X: Sequences, train: np.ndarray) -> Sequences:
    """Features in units of the training rows; rows that hold the sentinel are never read."""
    seen = X.values[np.unique(X.index[train])]
    return Sequences((X.values - seen.mean(axis=0)) / seen.std(axis=0), X.index)


def flat(X: Sequences) -> np.ndarray:
    """The rows of a window side by side, for models that read one row."""
    return X.values[X.index].reshape(len(X), -1)


def rises(kind: str, seed: int, parts: tuple[np.ndarray, ...]) -> np.ndarray:
    """Whether each test sample is called up, by a model fitted on the training part."""
    train, newer, test = parts
    params = ModelParams.model_validate({"kind": kind, **SETTINGS.get(kind, {})}).root
    if kind == "lstm":
        model, rows, target = build(params, "classification", seed=seed), SEQUENCES, Y.astype(np.int8)
    else:
        model, rows, target = build(params, "binary", seed=seed), FLAT, (Y > 0).astype(np.int8)
    model.fit(rows[train], target[train], (rows[newer], target[newer]) if params.stops_early else None)
    out = model.predict(rows[test])
    return out[:, 2] > out[:, 0] if kind == "lstm" else out > 0.5


def accuracy(up: np.ndarray, moved_up: np.ndarray) -> float:
    """Share of right calls."""
    return float((up == moved_up).mean())


def mcc(up: np.ndarray, moved_up: np.ndarray) -> float:
    """Matthews correlation; 0 where everything is called alike."""
    if up.std() == 0 or moved_up.std() == 0:
        return 0.0
    return float(np.corrcoef(up, moved_up)[0, 1])


def resampled(days: np.ndarray) -> list[np.ndarray]:
    """Positions of whole days drawn with replacement."""
    rng = np.random.default_rng(0)
    by_day = [np.flatnonzero(days == day) for day in np.unique(days)]
    return [
        np.concatenate([by_day[i] for i in rng.integers(len(by_day), size=len(by_day))]) for _ in range(DRAWN_BY_CHANCE)
    ]


def interval(values: list[float]) -> str:
    """95 % of the values."""
    low, high = np.quantile(values, (0.025, 0.975))
    return f"[{low:+.3f}, {high:+.3f}]" if low < 0 else f"[{low:.3f}, {high:.3f}]"


def row(
    kind: str, calls: list[np.ndarray], rival: list[np.ndarray], moved_up: np.ndarray, draws: list[np.ndarray]
) -> str:
    """A line of the table: means over seeds, spread over seeds, intervals over days."""

    def mean(score: object, rows: object) -> float:
        return float(np.mean([score(call[rows], moved_up[rows]) for call in calls]))

    def ahead(rows: object) -> float:
        theirs = np.mean([accuracy(call[rows], moved_up[rows]) for call in rival])
        return mean(accuracy, rows) - float(theirs)

    scores = [accuracy(call, moved_up) for call in calls]
    told = (
        kind,
        f"{mean(accuracy, slice(None)):.2%}",
        f"{np.std(scores, ddof=1):.2%}" if len(set(scores)) > 1 else "–",
        interval([mean(accuracy, rows) for rows in draws]),
        f"{mean(mcc, slice(None)):.4f}",
        interval([mean(mcc, rows) for rows in draws]),
        f"{ahead(slice(None)):+.3f} {interval([ahead(rows) for rows in draws])}" if kind != "logistic" else "–",
    )
    return f"| {' | '.join(told)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    RAW, Y, DAYS = samples(asked.folder)
    train, newer, test = (
        part.to_numpy() for part in (DAYS < VALIDATION, DAYS.is_between(VALIDATION, TEST, closed="left"), DAYS >= TEST)
    )
    SEQUENCES = standardised(RAW, train)
    FLAT = flat(SEQUENCES)
    days = DAYS.filter(pl.Series(test))
    print(
        f"{train.sum():,} training, {newer.sum():,} validation, {test.sum():,} test samples on {days.n_unique()} days"
    )
    found = {kind: [] for kind in dict.fromkeys(("logistic", *asked.models))}
    for kind, seed in product(found, range(asked.seeds)):
        found[kind].append(rises(kind, seed, (train, newer, test)))
    moved_up = Y[test] > 0
    draws = resampled(days.to_physical().to_numpy())
    print("| model | accuracy, mean of seeds | sd of seeds | 95 % by day | MCC | 95 % by day | ahead of logistic |")
    print("|---|---|---|---|---|---|---|")
    for kind, calls in found.items():
        print(row(kind, calls, found["logistic"], moved_up, draws))
    for name, right, correlation in PUBLISHED:
        print(f"| {name} | {right:.2f}% | | | {correlation:.4f} | | |")
