"""Serving: the newest decisions, and the replay that holds them against the batch."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market import decisions, features
from assay.market.bundles import Champions, crown_bundle, open_champions
from assay.market.decisions import decide, live_features, replay
from assay.market.errors import ConfigurationError
from assay.market.execution import Execution
from assay.market.features import Family, FeatureRule, recompute
from assay.market.features.feature import REGISTRY
from assay.market.labels import LabelRule, make_labels
from assay.market.models import ModelParams, called
from assay.market.models.base import Files, Floats, Matrix
from assay.market.parts import known
from assay.market.recipe import RecipePlan, fit_recipe
from assay.market.selection import Selection
from assay.market.splits import holdout_tail
from assay.market.tables import CLASS_NAMES

ROWS = 160
TIES = np.array([[0.4, 0.2, 0.4], [0.4, 0.4, 0.2]])  # for both of them the most probable class comes first
RULE = FeatureRule(families=("momentum", "volatility"), timeframes={timedelta(days=1): ("return_1", "return_5")})
USED = ("return_1", "return_5", "return_10", "realised_volatility_20", "return_1_1d")


@pytest.fixture(scope="module")
def panel() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    tables = []
    for entity in ("A", "B"):
        close = 100 * np.exp(rng.normal(0, 0.01, ROWS).cumsum())
        wick = np.abs(rng.normal(0, 0.004, ROWS))
        tables.append(
            pl.DataFrame(
                {
                    "entity": entity,
                    "time": [start + timedelta(hours=4 * i) for i in range(ROWS)],
                    "open": close * (1 + rng.normal(0, 0.002, ROWS)),
                    "high": close * (1 + wick + 0.006),
                    "low": close * (1 - wick - 0.006),
                    "close": close,
                    "volume": rng.uniform(1, 2, ROWS),
                    "jump": False,
                }
            )
        )
    return pl.concat(tables).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


@pytest.fixture(scope="module")
def batch(panel: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
    return features.engineer(panel, RULE)


@pytest.fixture(scope="module")
def bundles(panel: pl.DataFrame, batch: tuple[pl.DataFrame, dict[str, Any]]) -> dict[str, Files]:
    table, catalogue = batch
    rule = LabelRule.model_validate({"kind": "fixed_horizon", "horizon": 2, "max_gap": "P1D"})
    labels, _ = make_labels(panel, rule, execution=Execution())

    def dumped(kind: Any, model: str) -> Files:
        recipe = RecipePlan(
            params=ModelParams.model_validate({"kind": model}).root,
            kind=kind,
            feature_set_id=catalogue["feature_set_id"],
        )
        part = labels.filter(known(labels, kind))
        part = part.filter(holdout_tail(part, recipe.tail)[0])
        last = {"last_time_seen": part["time"].max(), "last_label_end": part["label_end"].max()}
        selection = Selection(rows=part.height, kept=USED, dropped={}, **last)
        return fit_recipe(table, labels, recipe, selection=selection).dump()

    return {"signal": dumped("classification", "logistic"), "target": dumped("regression", "ridge")}


@pytest.fixture(scope="module")
def champions(bundles: dict[str, Files], batch: tuple[pl.DataFrame, dict[str, Any]]) -> Champions:
    crowned = {head: crown_bundle({"m": files}, "m") for head, files in bundles.items()}
    return open_champions(**crowned, feature_set_id=batch[1]["feature_set_id"])


@pytest.fixture(scope="module")
def oos() -> pl.DataFrame:
    errors = np.linspace(-0.1, 0.1, 201)
    return pl.DataFrame({"model": ["m"] * 201, "y_true": errors, "y_pred": np.zeros(201)})


def live(panel: pl.DataFrame, batch: Any, timestamps: int) -> pl.DataFrame:
    return live_features(panel, RULE, batch[1], timestamps=timestamps)


def test_served_features_equal_the_batch(panel: pl.DataFrame, batch: Any, champions: Champions) -> None:
    served = live(panel, batch, 4)
    assert served["time"].n_unique() == 4
    assert served.columns == batch[0].columns
    assert replay(served, batch[0], champions) == {
        "rows": 8,
        "timestamps": 4,
        "features_equal": True,
        "predictions_equal": True,
    }


def test_each_timestamp_is_served_from_what_was_known_then_and_nothing_older_is_returned(
    panel: pl.DataFrame, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, Any]] = []

    def noted(known: pl.DataFrame, *given: Any, since: datetime) -> pl.DataFrame:
        seen.append((known["time"].max(), since))
        return recompute(known, *given, since=since)

    monkeypatch.setattr(decisions, "recompute", noted)
    live(panel, batch, 3)
    newest = panel["time"].unique().sort().tail(3).to_list()
    assert seen == [(time, time) for time in newest]


@pytest.fixture
def leaky() -> Iterator[FeatureRule]:
    """A rule with a feature that knows the next close, among honest ones."""
    family, before = Family("leaky"), dict(REGISTRY)

    @family.expression(unit="simple return")
    def next_return() -> pl.Expr:
        """Next close over this one, minus 1."""
        return pl.col("close").shift(-1) / pl.col("close") - 1

    yield RULE.model_copy(update={"families": ("momentum", "volatility", "leaky")})
    REGISTRY.clear()
    REGISTRY.update(before)


def test_a_look_ahead_in_a_feature_shows_in_the_replay(
    panel: pl.DataFrame, champions: Champions, leaky: FeatureRule
) -> None:
    table, catalogue = features.engineer(panel, leaky)
    served = live_features(panel, leaky, catalogue, timestamps=4)
    assert "next_return" in served.columns
    assert replay(served, table, champions)["features_equal"] is False
    honest = [name for name in served.columns if name != "next_return"]
    assert replay(served.select(honest), table, champions)["features_equal"] is True


def test_serving_features_that_the_rule_does_not_offer_is_refused(panel: pl.DataFrame) -> None:
    with pytest.raises(ConfigurationError, match=r"features to compute: unknown name adx_14"):
        live_features(panel, RULE, {"features": [{"name": "return_1"}, {"name": "adx_14"}]}, timestamps=1)


class Undecided:
    """A model that finds two classes equally probable, in turn LONG or NEUTRAL beside SHORT."""

    def predict(self, X: Matrix) -> Floats:
        return np.resize(TIES, (len(X), 3))


def undecided(champions: Champions) -> Champions:
    recipe = replace(champions.signal.recipe, model=Undecided())  # type: ignore[arg-type]
    return replace(champions, signal=replace(champions.signal, recipe=recipe))


def test_a_tie_is_served_as_the_batch_calls_it(
    panel: pl.DataFrame, batch: Any, champions: Champions, oos: pl.DataFrame
) -> None:
    served = live(panel, batch, 2)
    decided = decide(served, undecided(champions), oos, coverage=0.9)
    assert decided["signal"].to_list() == [CLASS_NAMES[code + 1] for code in called(TIES)] == ["NEUTRAL", "NEUTRAL"]
    assert decided["confidence"].to_list() == [0.2, 0.4]
    assert replay(served, batch[0], undecided(champions))["predictions_equal"] is True


def test_a_signal_served_by_another_rule_shows_in_the_replay(
    panel: pl.DataFrame, batch: Any, champions: Champions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def most_probable(probabilities: Floats) -> tuple[list[str], Floats]:
        return [CLASS_NAMES[code] for code in probabilities.argmax(axis=1)], probabilities.max(axis=1)

    monkeypatch.setattr(decisions, "_signals", most_probable)
    found = replay(live(panel, batch, 2), batch[0], undecided(champions))
    assert (found["features_equal"], found["predictions_equal"]) == (True, False)


def test_a_decision_per_entity_at_its_newest_bar(
    panel: pl.DataFrame, batch: Any, champions: Champions, oos: pl.DataFrame
) -> None:
    late = panel.filter(~((pl.col("entity") == "B") & (pl.col("time") == panel["time"].max())))
    decided = decide(live(late, batch, 3), champions, oos, coverage=0.9)
    assert decided["entity"].to_list() == ["A", "B"]
    assert decided["feature_age"].to_list() == [0.0, 4.0]
    assert set(decided["signal"]) <= {"SHORT", "NEUTRAL", "LONG"}
    assert decided["confidence"].is_between(1 / 3, 1).all()  # of the single most probable of three


def test_the_interval_is_that_of_past_errors(
    panel: pl.DataFrame, batch: Any, champions: Champions, oos: pl.DataFrame
) -> None:
    decided = decide(live(panel, batch, 1), champions, oos, coverage=0.9)
    other = oos.with_columns(pl.lit("x").alias("model"), pl.col("y_true") * 9)
    same = decide(live(panel, batch, 1), champions, pl.concat([oos, other]), coverage=0.9)
    assert np.allclose((decided["upper"] - decided["lower"]).to_numpy(), 0.18)
    assert same.equals(decided)
