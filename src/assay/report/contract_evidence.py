"""What the documents about luck owe the page: comparison, breakdown, trials ever, seeds, null check, rules."""

from collections.abc import Collection, Mapping
from typing import Any

from assay.report.contract import ESTIMATE, check_rows, known, need

Facts = Mapping[str, Any]

DIMENSIONS = ("volatility", "trend", "entity", "hour")
_CONTEST = (
    *("loss", "reference", "rows", "timestamps", "block", "level", "models", "spa", "stepm", "pairs"),
    *("pesaran_timmermann", "accuracy_of_forecast", "said"),
)
_RANKED = ("mean_loss", "mcs_p", "inside")
_SIGN_TEST = ("statistic", "p", "overlapping", "hits", "expected", "said")
_TRIALS = (
    *("records", "configurations", "compared", "clusters", "effective", "sharpe_variance", "expected_max_sharpe"),
    *("claims", "said"),
)
_SHARPE = (
    *("sharpe_per_bar", "skew", "kurtosis", "psr", "dsr", "min_track_record_years", "min_backtest_years"),
    "lo_annual_sharpe",
)
_SEEDS = ("model", "seeds", "ic", "mean", "sd", "low", "high", "said")
_CALIBRATED = ("runs", "levels", "evidence", "rules")
_NULL = ("rules", "runs", "kinds", "total", "failed", "power", "level", "holds", "said")


def check_contest(contest: Facts, models: Collection[str]) -> None:
    """Refuse a comparison of models that were not evaluated, or one in which a test is not whole.

    Raises:
        DataError: Something is missing or unknown.
    """
    need("contest", contest, _CONTEST)
    need("loss of the contest", contest["loss"], ("name", "definition"))
    if contest["spa"] is not None:
        need("SPA test of the contest", contest["spa"], ("p_lower", "p_consistent", "p_upper", "models"))
        need("StepM of the contest", contest["stepm"], ("level", "better"))
    need("accuracy of forecast", contest["accuracy_of_forecast"], ("models",))
    for thing, found in (("contest", contest), ("accuracy of forecast", contest["accuracy_of_forecast"])):
        for name, ranked in found["models"].items():
            known(f"model of the {thing}", name, models)
            need(f"{thing} of {name}", ranked, _RANKED)
    check_rows("pairs", contest["pairs"])
    for pair in contest["pairs"]:
        need(f"difference of {pair['model']} and {pair['rival']}", pair["difference"], ESTIMATE)
    for name, test in contest["pesaran_timmermann"].items():
        need(f"Pesaran-Timmermann test of {name}", test, _SIGN_TEST)
        need(f"overlapping Pesaran-Timmermann test of {name}", test["overlapping"], ("t", "p"))


def check_breakdown(evaluation: Facts) -> None:
    """Refuse an evaluation whose models are not broken down, or are by something nobody knows.

    Raises:
        DataError: Something is missing or unknown.
    """
    tried = [name for name, model in evaluation["models"].items() if model["role"] == "model"]
    need("breakdown", evaluation["breakdown"], tried)
    for name, dimensions in evaluation["breakdown"].items():
        for dimension, parts in dimensions.items():
            known(f"breakdown of {name}", dimension, DIMENSIONS)
            check_rows("breakdown", parts)
            for part in parts:
                need(f"IC of {name} in {part['name']}", part["ic"], ESTIMATE)
                need(f"accuracy of {name} in {part['name']}", part["accuracy"], ESTIMATE)


def check_significance(significance: Facts, models: Collection[str]) -> None:
    """Refuse a deflation that does not say how many trials there were, or of models that were not evaluated.

    Raises:
        DataError: Something is missing or unknown.
    """
    need("significance", significance, ("bars", "bars_per_year", "trials", "models", "pbo", "said"))
    need("trials of the significance", significance["trials"], _TRIALS)
    need("probability of overfitting", significance["pbo"], ("value", "blocks", "splits", "strategies", "said"))
    for name, found in significance["models"].items():
        known("model of the significance", name, models)
        need(f"significance of {name}", found, _SHARPE)


def check_seeds(seeds: Facts, models: Collection[str]) -> None:
    """Refuse refits of a model that was not evaluated; a head on which nothing was refitted has no model.

    Raises:
        DataError: Something is missing or unknown.
    """
    need("seeds", seeds, _SEEDS)
    if seeds["model"] is not None:
        known("model of the seeds", seeds["model"], models)


def check_null(calibration: Facts | None) -> None:
    """Refuse a null calibration that does not say how often it found evidence; None, never run, is none.

    Raises:
        DataError: Something is missing.
    """
    if calibration is None:
        return
    need("null_calibration", calibration, _NULL)
    if calibration["power"] is not None:
        need("power of the null calibration", calibration["power"], ("kinds", "said"))
    planted = {} if calibration["power"] is None else calibration["power"]["kinds"]
    for name, found in {**planted, **calibration["kinds"], "total": calibration["total"]}.items():
        need(f"null calibration, {name}", found, _CALIBRATED)
        need(f"rate of evidence, {name}", found["evidence"], ESTIMATE)
        for rule, counts in found["rules"].items():
            need(f"rule {rule} in the null calibration, {name}", counts, ("held", "asked"))
