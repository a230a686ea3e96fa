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
from assay.market.calibration import CalibrationRule, fit
from assay.market.decisions import Live, confidence, decide, live_features, live_scale, replay, with_history
from assay.market.ensembles.decider import Answers, Single, Stock
from assay.market.errors import ConfigurationError
from assay.market.execution import Execution
from assay.market.features import Family, FeatureRule, recompute
from assay.market.features.feature import REGISTRY
from assay.market.labels import LabelRule, make_labels
from assay.market.models import ModelParams, called
from assay.market.models.base import Files, Floats, Lookback, Matrix
from assay.market.parts import known
from assay.market.recipe import Recipe, RecipePlan, fit_recipe
from assay.market.selection import Selection
from assay.market.splits import holdout_tail
from assay.market.tables import CLASS_NAMES

ROWS = 160
TIES = np.array([[0.4, 0.2, 0.4], [0.4, 0.4, 0.2]])  # for both of them the most probable class comes first
RULE = FeatureRule(families=("momentum", "volatility"), timeframes={timedelta(days=1): ("return_1", "return_5")})
LABELS = LabelRule.model_validate({"kind": "fixed_horizon", "horizon": 2, "max_gap": "P1D"})
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
    labels, _ = make_labels(panel, LABELS, execution=Execution())

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


INTERVAL = {"threshold": 1.5, "median_scale": 0.02, "level": 0.1}


def crowned(
    bundles: dict[str, Files], catalogue: dict[str, Any], calibrator: Any = None, bounds: Any = None
) -> Champions:
    states = {"signal": ("classification", calibrator), "target": ("regression", bounds)}
    nothing = {"contenders": {}, "left_out": {}}
    files = {
        role: crown_bundle(
            "m", Stock({"m": bundles[role]}, nothing, {}), {"kind": kind, "final": {"m": state}}, scores={}
        )
        for role, (kind, state) in states.items()
    }
    return open_champions(signal=files["signal"], target=files["target"], feature_set_id=catalogue["feature_set_id"])


@pytest.fixture(scope="module")
def champions(bundles: dict[str, Files], batch: tuple[pl.DataFrame, dict[str, Any]]) -> Champions:
    return crowned(bundles, batch[1])


def live(panel: pl.DataFrame, batch: Any, timestamps: int) -> pl.DataFrame:
    return live_features(panel, RULE, batch[1], timestamps=timestamps)


def decided(panel: pl.DataFrame, batch: Any, champions: Champions, timestamps: int = 2) -> Any:
    scale = live_scale(panel, LABELS, execution=Execution())
    return decide(Live(live(panel, batch, timestamps), batch[0], scale), champions)


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


def with_model(champion: Any, model: Any) -> Any:
    return replace(champion, decider=Single(replace(champion.decider.recipe, model=model)))


def undecided(champions: Champions) -> Champions:
    return Champions(with_model(champions.signal, Undecided()), champions.target)


def test_a_tie_is_served_as_the_batch_calls_it(panel: pl.DataFrame, batch: Any, champions: Champions) -> None:
    served = live(panel, batch, 1)
    table, _ = decided(panel, batch, undecided(champions), 1)
    assert table["signal"].to_list() == [CLASS_NAMES[code + 1] for code in called(TIES)] == ["NEUTRAL", "NEUTRAL"]
    assert table["confidence"].to_list() == [0.2, 0.4]
    assert replay(served, batch[0], undecided(champions))["predictions_equal"] is True


def test_a_signal_served_by_another_rule_shows_in_the_replay(
    panel: pl.DataFrame, batch: Any, champions: Champions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def most_probable(probabilities: Floats) -> list[str]:
        return [CLASS_NAMES[code] for code in probabilities.argmax(axis=1)]

    monkeypatch.setattr(decisions, "_names", most_probable)
    found = replay(live(panel, batch, 2), batch[0], undecided(champions))
    assert (found["features_equal"], found["predictions_equal"]) == (True, False)


def test_a_decision_per_entity_at_its_newest_bar(panel: pl.DataFrame, batch: Any, champions: Champions) -> None:
    late = panel.filter(~((pl.col("entity") == "B") & (pl.col("time") == panel["time"].max())))
    table, _ = decided(late, batch, champions, 3)
    assert table["entity"].to_list() == ["A", "B"]
    assert table["feature_age"].to_list() == [0.0, 4.0]
    assert set(table["signal"]) <= {"SHORT", "NEUTRAL", "LONG"}
    assert table["confidence"].is_between(1 / 3, 1).all()  # of the single most probable of three
    newest = live(late, batch, 3).sort("time").group_by("entity", maintain_order=True).last().sort("entity")
    expected = champions.target.predict(newest.select(batch[0].columns))
    np.testing.assert_allclose(table["target_return"], expected)
    assert table["bundle_id"].unique().to_list() == [f"{champions.signal.bundle_id}+{champions.target.bundle_id}"]


def test_the_interval_is_as_wide_as_the_row_is_volatile(panel: pl.DataFrame, batch: Any, bundles: Any) -> None:
    table, _ = decided(panel, batch, crowned(bundles, batch[1], bounds=INTERVAL))
    scale = live_scale(panel, LABELS, execution=Execution()).filter(pl.col("time") == panel["time"].max())
    np.testing.assert_allclose(table["upper"] - table["target_return"], 1.5 * scale["scale"])
    np.testing.assert_allclose(table["target_return"] - table["lower"], 1.5 * scale["scale"])


@pytest.mark.parametrize("bounds", [None, INTERVAL | {"threshold": None}])
def test_without_anything_to_bound_by_there_are_no_bounds(
    panel: pl.DataFrame, batch: Any, bundles: Any, bounds: Any
) -> None:
    table, _ = decided(panel, batch, crowned(bundles, batch[1], bounds=bounds))
    assert table["lower"].null_count() == table["upper"].null_count() == 2
    assert table["target_return"].null_count() == 0


def test_the_scale_is_that_of_the_labels_and_never_looks_ahead(panel: pl.DataFrame) -> None:
    labels, _ = make_labels(panel, LABELS, execution=Execution())
    scale = live_scale(panel, LABELS, execution=Execution())
    assert scale.equals(labels.select("entity", "time", "scale"))
    assert scale["scale"].null_count() < scale.height
    until = panel["time"].unique().sort()[100]
    early = live_scale(panel.filter(pl.col("time") <= until), LABELS, execution=Execution())
    assert early.equals(scale.filter(pl.col("time") <= until))


def calibrator(champions: Champions, table: pl.DataFrame, *, shift: float = 0.0) -> Any:
    raw = champions.signal.predict(table)
    raw = (raw + shift * np.array([1.0, 0.0, 0.0])) / (1 + shift)
    codes = np.random.default_rng(2).integers(0, 3, len(raw))
    return fit(raw, codes, rule=CalibrationRule(method="dirichlet"), effective_rows=300)


def test_confidence_is_calibrated(panel: pl.DataFrame, batch: Any, bundles: Any, champions: Champions) -> None:
    plain, told = decided(panel, batch, champions)
    assert told["signal"]["calibrator"] == "none"
    opened = crowned(bundles, batch[1], calibrator(champions, batch[0]))
    table, told = decided(panel, batch, opened)
    assert told["signal"]["calibrator"] == "applied"
    assert told["signal"]["model"] == told["target"]["model"] == "m"
    newest = batch[0].filter(pl.col("time") == panel["time"].max())
    expected = opened.signal.predict(newest)
    np.testing.assert_allclose(table["confidence"], expected[np.arange(2), called(expected).astype(int) + 1])
    assert not np.allclose(table["confidence"], plain["confidence"])
    assert replay(live(panel, batch, 2), batch[0], opened)["predictions_equal"] is True


def test_a_calibrator_of_other_scores_is_dropped_and_it_is_said(
    panel: pl.DataFrame, batch: Any, bundles: Any, champions: Champions
) -> None:
    opened = crowned(bundles, batch[1], calibrator(champions, batch[0], shift=50.0))
    table, told = decided(panel, batch, opened)
    assert told["signal"]["calibrator"] == "dropped"
    assert "outside the range of the calibrator" in told["signal"]["said"]
    assert table.drop("bundle_id").equals(decided(panel, batch, champions)[0].drop("bundle_id"))


def test_confidence_in_a_call_that_was_let_through_is_that_it_is_right() -> None:
    values = np.array([[0.1, 0.2, 0.7], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3], [0.2, 0.5, 0.3]])
    found = confidence(Answers(values, np.array([0.55, np.nan, np.nan, 0.8])))
    assert found.tolist() == [0.55, 0.7, 0.5, 0.5]


class Remembering:
    """Answers by the sum over what it sees; a model that looks back three rows."""

    def predict(self, X: Any) -> Floats:
        return np.array([sum(float(X.values[step][0]) for step in row if step >= 0) for row in X.index])


def looking_back(champions: Champions, monkeypatch: pytest.MonkeyPatch) -> Champions:
    target = with_model(champions.target, Remembering())
    history = property(lambda recipe: Lookback(3) if isinstance(recipe.model, Remembering) else None)
    monkeypatch.setattr(Recipe, "history", history)
    return Champions(champions.signal, target)


@pytest.mark.parametrize("timestamps", [1, 4])
def test_a_model_that_looks_back_is_served_the_rows_before(
    panel: pl.DataFrame, batch: Any, champions: Champions, monkeypatch: pytest.MonkeyPatch, timestamps: int
) -> None:
    opened = looking_back(champions, monkeypatch)
    assert opened.lookback == 3
    table, _ = decided(panel, batch, opened, timestamps)
    whole = opened.target.predict(batch[0])
    newest = (batch[0]["time"] == panel["time"].max()).to_numpy()
    np.testing.assert_array_equal(table["target_return"], whole[newest])
    assert replay(live(panel, batch, timestamps), batch[0], opened)["predictions_equal"] is True
    short, rows = with_history(live(panel, batch, timestamps), batch[0], rows=2)
    assert (short.height, int(rows.sum())) == (2 * (timestamps + 1), 2 * timestamps)
    if timestamps == 1:
        assert not np.allclose(opened.target.predict(short, rows), whole[newest])
