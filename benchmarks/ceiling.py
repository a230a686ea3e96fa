"""Share of the attainable skill that models recover on mock markets whose ceiling is known.

    python benchmarks/ceiling.py                                   # IC .2, 50,000 rows, all forms, and the null market
    python benchmarks/ceiling.py --ic .05 .1 .2 --rows 10000 50000 200000
    python benchmarks/ceiling.py --form sequence --models lstm --seed 7 8 9
    python benchmarks/ceiling.py --table                           # what has been measured so far, as Markdown

One cell is a form of the signal, its IC, a number of training rows, a model and a seed. Each is written to
``build/ceiling/`` when it is done, and one that is there is not measured again: kill it and go on as you like.

Inputs are the two columns and the gauge that tell the signal, and 158 columns of noise with the same memory; the
outcome is the next return in units of its volatility. Ten symbols share their shocks. The newest 15 % of the training
rows choose the rounds or epochs, where a model stops early. The 100,000 rows after them are the test.

- share of the direction gain: (direction - 1/2) / (attainable - 1/2); share of R2: (IC / attainable IC)^2.
- standard errors from 50 blocks of time with all symbols, at the given rows and model: two numbers of two models differ
  by less than these say, since both are measured on the same rows.
- ``truth`` is the planted signal itself on the same rows: what the best model shows there, luck included.
- ``sklearn_*`` are scikit-learn's own defaults, standardised where the estimator needs it. ``automl`` does what AutoML
  tools for tables do when they are told nothing (after AutoGluon's medium quality preset, without its forests and
  networks): a random hold-out, LightGBM with and without extra trees, XGBoost, CatBoost, and the weighted ensemble that
  is greedily best on the hold-out.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np

from assay.market.models import ModelParams, build
from assay.market.models.base import Sequences
from assay.market.sequences import sequence_index
from assay.market.simulator import Ceiling, Design, Form, MarketRule, design, oracle, simulate

OWN = ("ridge", "logistic", "xgboost", "lightgbm", "catboost", "hist_gradient_boosting", "random_forest", "mlp", "lstm")
SYMBOLS, TEST, TAIL, NOISE, BLOCKS = 10, 100_000, 0.15, 158, 50
FOLDER = Path(__file__).parents[1] / "build" / "ceiling"


@dataclass(frozen=True)
class Cell:
    form: str
    ic: float
    rows: int
    seed: int
    model: str

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.form}-{self.ic:g}-{self.rows}-{self.seed}-{self.model}.json"


@dataclass(frozen=True)
class Task:
    """One market, cut by time."""

    data: Design
    ceiling: Ceiling
    bar: np.ndarray
    learn: np.ndarray
    tail: np.ndarray
    test: np.ndarray


def make_task(form: str, ic: float, rows: int, seed: int) -> Task:
    """A bar is left out before the tail and before the test: its outcome is the first return of the next part."""
    known = rows // SYMBOLS
    plain = {"symbols": SYMBOLS, "listings": 0, "delistings": 0, "revisions": 0.0}
    rule = MarketRule(form=form, ic=ic, seed=seed, bars=known + TEST // SYMBOLS + 1, **plain)
    data = design(simulate(rule), noise=NOISE)
    bar = np.tile(np.arange(rule.bars - 1), SYMBOLS)
    cut = round(known * (1 - TAIL))
    parts = (bar < cut - 1, (bar >= cut) & (bar < known - 1), bar >= known)
    return Task(data, oracle(rule), bar, *parts)


def forecasts(task: Task, model: str, seed: int) -> tuple[np.ndarray, int | None]:
    """Expected returns of the test rows, or what orders them, and the rounds that early stopping kept."""
    if model in OTHERS:
        return OTHERS[model](task, seed), None
    params = ModelParams.model_validate({"kind": model}).root
    kind = "classification" if model == "logistic" else "regression"
    inputs: Any = task.data.X
    if params.history:
        inputs = Sequences(inputs, sequence_index(task.data.keys, params.history.steps, max_gap=None))
    y = task.data.y
    if kind == "classification":  # three classes of equal size
        limit = np.quantile(np.abs(y[task.learn]), 1 / 3)
        y = np.where(np.abs(y) > limit, np.sign(y), 0).astype(np.int8)
    fitted = build(params, kind, seed=seed)
    if params.stops_early:
        fitted.fit(inputs[task.learn], y[task.learn], (inputs[task.tail], y[task.tail]))
    else:
        fitted.fit(inputs[task.learn | task.tail], y[task.learn | task.tail])
    said = fitted.predict(inputs[task.test])
    return said[:, 2] - said[:, 0] if kind == "classification" else said, fitted.best_iteration


def truth(task: Task, seed: int) -> np.ndarray:  # noqa: ARG001
    """The planted signal: how lucky these test rows are."""
    return task.data.signal[task.test]


# --- what others do by default ----------------------------------------------------------------------------------------


def sklearn_linear(task: Task, seed: int) -> np.ndarray:  # noqa: ARG001
    from sklearn.linear_model import LinearRegression

    return _sklearn(task, LinearRegression())


def sklearn_hist_gradient_boosting(task: Task, seed: int) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return _sklearn(task, HistGradientBoostingRegressor(random_state=seed))


def sklearn_random_forest(task: Task, seed: int) -> np.ndarray:
    """Slow: full trees that look at every column."""
    from sklearn.ensemble import RandomForestRegressor

    return _sklearn(task, RandomForestRegressor(random_state=seed, n_jobs=-1))


def sklearn_mlp(task: Task, seed: int) -> np.ndarray:
    """Stops when the training loss stands still, or after 200 epochs."""
    import warnings

    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that 200 epochs did not suffice
        return _sklearn(task, make_pipeline(StandardScaler(), MLPRegressor(random_state=seed)))


def _sklearn(task: Task, estimator: Any) -> np.ndarray:  # noqa: ANN401
    known = task.learn | task.tail
    return estimator.fit(task.data.X[known], task.data.y[known]).predict(task.data.X[task.test])


def automl(task: Task, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(task.learn | task.tail)
    share = max(0.1, min(0.2, 500 / len(rows))) if len(rows) < 5000 else max(0.01, min(0.1, 2500 / len(rows)))
    held = rng.permutation(rows)[: round(share * len(rows))]
    learn = np.setdiff1d(rows, held)
    X, y = task.data.X, task.data.y
    members = [fit(X[learn], y[learn], (X[held], y[held]), seed) for fit in (_lightgbm, _extra, _xgboost, _catboost)]
    on_held = np.array([predict(X[held]) for predict in members])
    chosen = np.zeros(len(members))
    for _ in range(25):  # Caruana et al., ICML 2004
        tries = chosen + np.eye(len(members))
        errors = [((w @ on_held / w.sum() - y[held]) ** 2).mean() for w in tries]
        chosen = tries[int(np.argmin(errors))]
    return chosen @ np.array([predict(X[task.test]) for predict in members]) / chosen.sum()


Predict = Callable[[np.ndarray], np.ndarray]
Held = tuple[np.ndarray, np.ndarray]


def _lightgbm(X: np.ndarray, y: np.ndarray, held: Held, seed: int, *, extra_trees: bool = False) -> Predict:
    import lightgbm

    settings = {"learning_rate": 0.05, "verbosity": -1, "seed": seed, "extra_trees": extra_trees}
    train = lightgbm.Dataset(X, y)
    watched = [lightgbm.Dataset(*held, reference=train)]
    stop = [lightgbm.early_stopping(150, verbose=False)]
    booster = lightgbm.train(settings, train, 10_000, valid_sets=watched, callbacks=stop)
    return booster.predict


def _extra(X: np.ndarray, y: np.ndarray, held: Held, seed: int) -> Predict:
    return _lightgbm(X, y, held, seed, extra_trees=True)


def _xgboost(X: np.ndarray, y: np.ndarray, held: Held, seed: int) -> Predict:
    import xgboost

    model = xgboost.XGBRegressor(n_estimators=10_000, learning_rate=0.1, early_stopping_rounds=150, random_state=seed)
    return model.fit(X, y, eval_set=[held], verbose=False).predict


def _catboost(X: np.ndarray, y: np.ndarray, held: Held, seed: int) -> Predict:
    import catboost

    model = catboost.CatBoostRegressor(
        iterations=10_000, learning_rate=0.05, random_seed=seed, verbose=False, allow_writing_files=False
    )
    return model.fit(X, y, eval_set=held, early_stopping_rounds=150).predict


OTHERS: dict[str, Callable[[Task, int], np.ndarray]] = {
    "truth": truth,
    "sklearn_linear": sklearn_linear,
    "sklearn_hist_gradient_boosting": sklearn_hist_gradient_boosting,
    "sklearn_random_forest": sklearn_random_forest,
    "sklearn_mlp": sklearn_mlp,
    "automl": automl,
}
SLOW = ("sklearn_random_forest",)


# --- scores -----------------------------------------------------------------------------------------------------------


def score(task: Task, said: np.ndarray) -> dict[str, float]:
    """Direction and IC on the test, with standard errors from blocks of time (leaving out one at a time)."""
    y, block = task.data.y[task.test], task.bar[task.test]
    block = (block - block.min()) * BLOCKS // (block.max() - block.min() + 1)
    hit = np.sign(said) == np.sign(y)
    parts = np.stack([hit, said, y, said * said, y * y, said * y, np.ones(len(y))], axis=1)
    sums = np.stack([np.bincount(block, column, minlength=BLOCKS) for column in parts.T])
    found = _figures(sums.sum(axis=1))
    without = np.array([_figures(sums.sum(axis=1) - sums[:, b]) for b in range(BLOCKS)])
    errors = np.sqrt((BLOCKS - 1) * without.var(axis=0))
    return {"direction": found[0], "ic": found[1], "direction_se": float(errors[0]), "ic_se": float(errors[1])}


def _figures(sums: np.ndarray) -> tuple[float, float]:
    hits, x, y, xx, yy, xy, n = sums
    spread = (xx - x * x / n) * (yy - y * y / n)
    return float(hits / n), float((xy - x * y / n) / np.sqrt(spread)) if spread > 1e-12 else 0.0


def measure(task: Task, cell: Cell) -> dict[str, Any]:
    start = time.perf_counter()
    said, kept = forecasts(task, cell.model, cell.seed)
    seconds = time.perf_counter() - start
    limit = {"direction": task.ceiling.direction, "ic": task.ceiling.ic}
    return asdict(cell) | score(task, said) | {"ceiling": limit, "seconds": seconds, "kept": kept}


def run(cells: Iterable[Cell]) -> None:
    by_market = defaultdict(list)
    for cell in cells:
        if not cell.path.exists():
            by_market[cell.form, cell.ic, cell.rows, cell.seed].append(cell)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for market, missing in by_market.items():
        task = make_task(*market)
        for cell in missing:
            found = measure(task, cell)
            cell.path.with_suffix(".tmp").write_text(json.dumps(found, indent=1))
            cell.path.with_suffix(".tmp").replace(cell.path)
            print(line(found), flush=True)


# --- the table --------------------------------------------------------------------------------------------------------


def shares(found: dict[str, Any]) -> dict[str, float]:
    """Shares of the ceiling, their standard errors, and how many of these a figure lies above the ceiling."""
    gain, top = found["ceiling"]["direction"] - 0.5, found["ceiling"]["ic"]
    above = (found["direction"] - 0.5 - gain) / found["direction_se"], (found["ic"] - top) / found["ic_se"]
    if not top:
        return {"above": max(above)}
    return {
        "gain": (found["direction"] - 0.5) / gain,
        "gain_se": found["direction_se"] / gain,
        "r2": np.sign(found["ic"]) * (found["ic"] / top) ** 2,
        "r2_se": 2 * abs(found["ic"]) * found["ic_se"] / top**2,
        "above": max(above),
    }


def mean_of(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean over seeds; their markets are independent, so the standard errors shrink."""
    figures = {name: float(np.mean([cell[name] for cell in cells])) for name in ("direction", "ic", "seconds")}
    errors = {
        name: float(np.sqrt(np.sum([cell[name] ** 2 for cell in cells])) / len(cells))
        for name in ("direction_se", "ic_se")
    }
    return cells[0] | figures | errors | {"seeds": len(cells)}


def line(found: dict[str, Any]) -> str:
    """One row of the table."""
    own = shares(found)
    parts = [f"{own[name]:.0%} ± {own[name + '_se']:.0%}" if name in own else "–" for name in ("gain", "r2")]
    direction = f"{found['direction']:.4f} ± {found['direction_se']:.4f}"
    ic = f"{found['ic']:.4f} ± {found['ic_se']:.4f}"
    figures = [direction, parts[0], ic, parts[1], f"{own['above']:+.1f}", f"{found['seconds']:.0f}"]
    where = [found["form"] if found["ic"] is not None and found["ceiling"]["ic"] else "null"]
    where += [f"{found['ceiling']['ic']:g}", f"{found['rows']:,}", found["model"], str(found.get("seeds", 1))]
    return "| " + " | ".join([*where, *figures]) + " |"


HEAD = (
    "| form | IC | rows | model | seeds | direction | share of the gain | IC reached | share of R2 "
    "| se above the ceiling | seconds |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def table() -> str:
    by_cell = defaultdict(list)
    for path in sorted(FOLDER.glob("*.json")):
        found = json.loads(path.read_text())
        by_cell[found["form"], found["ceiling"]["ic"], found["rows"], found["model"]].append(found)
    order = {name: number for number, name in enumerate((*OWN, *OTHERS))}
    ordered = sorted(by_cell.items(), key=lambda item: (*item[0][:3], order[item[0][3]]))
    return "\n".join([HEAD, *(line(mean_of(cells)) for _, cells in ordered)])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--form", nargs="+", choices=get_args(Form), default=get_args(Form))
    parser.add_argument("--ic", nargs="+", type=float, default=[0.2, 0.0], help="0: the null market")
    parser.add_argument(
        "--rows", nargs="+", type=int, default=[50_000], help="training rows, those of the tail included"
    )
    fast = [name for name in (*OWN, *OTHERS) if name not in SLOW]
    parser.add_argument("--models", nargs="+", choices=(*OWN, *OTHERS), default=fast)
    parser.add_argument("--seed", nargs="+", type=int, default=[7])
    parser.add_argument("--table", action="store_true", help="measure nothing, print what there is")
    return parser.parse_args()


if __name__ == "__main__":
    asked = arguments()
    if not asked.table:
        grid = product(asked.form, asked.ic, asked.rows, asked.seed, asked.models)
        run(Cell(*values) for values in grid if values[1] or values[0] == "linear")
    print(table())
