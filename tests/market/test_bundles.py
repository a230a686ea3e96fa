"""Bundles: their identity, what the index says, and which one decides."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.bundles import CALIBRATION, CHAMPION, SCORES, bundle_id, crown_bundle, index_bundles, open_champions
from assay.market.calibration import CalibrationRule, apply, fit
from assay.market.ensembles.decider import ENSEMBLE, Answers, Stock
from assay.market.errors import BundleError, ConfigurationError
from assay.market.left_out import bundle_of_none
from assay.market.models import Files, ModelParams
from assay.market.recipe import RecipePlan, fit_recipe
from assay.market.selection import SelectionRule, Task, select

Market = tuple[pl.DataFrame, pl.DataFrame]
NOTHING: dict[str, Any] = {"contenders": {}, "left_out": {}}
SCORED = {"log_loss": 1.05}
RAW: dict[str, Any] = {"kind": "classification", "final": {}}


@pytest.fixture(scope="module")
def market(toy_market: Any) -> Market:
    return toy_market(bars=120)


@pytest.fixture(scope="module")
def bundles(market: Market) -> dict[str, Files]:
    def dumped(kind: Any, model: str) -> Files:
        params = ModelParams.model_validate({"kind": model}).root
        plan = RecipePlan(params=params, kind=kind, feature_set_id="set-1")
        chosen = select(*market, SelectionRule(features=5, methods=("univariate",)), task=Task(kind))
        return fit_recipe(*market, plan, selection=chosen).dump()

    return {"signal": dumped("classification", "logistic"), "target": dumped("regression", "ridge")}


def test_the_bundle_id_changes_with_every_byte(bundles: dict[str, Files]) -> None:
    files = dict(bundles["signal"])
    name = min(files)
    assert bundle_id(files) == bundle_id(dict(reversed(files.items())))
    assert bundle_id(files | {name: files[name] + b" "}) != bundle_id(files)


def test_the_bundle_id_knows_where_a_file_ends() -> None:
    others = ({"a": b"12"}, {"a": b"1b 2"}, {"a": b"2", "b": b"1"}, {"a": b"1", "c": b"2"})
    assert bundle_id({"a": b"1", "b": b"2"}) not in [bundle_id(files) for files in others]


def stock_of(bundles: dict[str, Files], ensembles: dict[str, Any] = NOTHING) -> Stock:
    return Stock(bundles, ensembles, {})


def crown(bundles: dict[str, Files], name: str, calibration: dict[str, Any] = RAW) -> dict[str, bytes]:
    return crown_bundle(name, stock_of(bundles), calibration, scores=SCORED)


def open_both(signal: Files, target: Files, feature_set_id: str = "set-1") -> Any:
    return open_champions(signal=signal, target=target, feature_set_id=feature_set_id)


@pytest.fixture(scope="module")
def crowned(bundles: dict[str, Files]) -> dict[str, dict[str, bytes]]:
    return {
        "signal": crown(bundles, "signal"),
        "target": crown(bundles, "target", {"kind": "regression", "final": {}}),
    }


def test_the_crown_names_the_model_and_its_bundle(bundles: dict[str, Files]) -> None:
    crowned = crown(bundles, "signal")
    label = json.loads(crowned.pop(CHAMPION))
    assert label == {
        "model": "signal",
        "bundle_id": bundle_id(crowned),
        "models": {"signal": bundle_id(bundles["signal"])},
    }
    assert json.loads(crowned.pop(CALIBRATION)) == {"kind": "classification", "state": None}
    del crowned[SCORES]
    assert crowned == bundles["signal"]


def test_a_primary_that_is_not_there_is_refused(bundles: dict[str, Files]) -> None:
    with pytest.raises(ConfigurationError, match=r"'other': is not in this head\n.*signal, target\n.*found: other"):
        crown(bundles, "other")


def test_a_primary_that_took_no_part_is_refused_with_the_reason(bundles: dict[str, Files]) -> None:
    some = bundles | {"lstm": bundle_of_none("left out by the profile quick")}
    with pytest.raises(ConfigurationError, match=r"'lstm': took no part in this run: left out by the profile quick"):
        crown(some, "lstm")
    lonely = stock_of(bundles, NOTHING | {"left_out": {"stack": "1 of 2 members there"}})
    with pytest.raises(ConfigurationError, match=r"'stack': took no part in this run: 1 of 2 members there"):
        crown_bundle("stack", lonely, RAW, scores=SCORED)


def test_champions_are_opened_by_name(crowned: dict[str, dict[str, bytes]], market: Market) -> None:
    champions = open_both(**crowned)
    assert (champions.signal.model, champions.target.model) == ("signal", "target")
    rest = {name: content for name, content in crowned["target"].items() if name != CHAMPION}
    assert champions.target.bundle_id == bundle_id(rest)
    assert champions.signal.predict(market[0]).shape == (market[0].height, 3)
    assert np.isfinite(champions.target.predict(market[0])).all()
    assert champions.lookback == 1


def test_an_ensemble_can_decide(bundles: dict[str, Files], market: Market) -> None:
    final = {"pool": "linear", "weights": {"signal": 0.75, "other": 0.25}, "intercepts": None}
    about = {"kind": "stacking", "members": ["signal", "other"], "settings": {}, "final": final}
    stock = stock_of(bundles | {"other": bundles["signal"]}, NOTHING | {"contenders": {"stack": about}})
    files = crown_bundle("stack", stock, RAW, scores=SCORED)
    assert {name.split("/")[0] for name in files} == {CHAMPION, CALIBRATION, SCORES, ENSEMBLE, "signal", "other"}
    assert set(json.loads(files[CHAMPION])["models"]) == {"signal", "other"}
    both = open_both(files, crown(bundles, "target", {"kind": "regression", "final": {}}))
    alone = open_both(crown(bundles, "signal"), crown(bundles, "target", {"kind": "regression", "final": {}}))
    assert both.signal.model == "stack"
    np.testing.assert_allclose(both.signal.predict(market[0]), alone.signal.predict(market[0]))


def test_a_champion_answers_calibrated_and_knows_where_its_calibrator_holds(
    bundles: dict[str, Files], crowned: dict[str, dict[str, bytes]], market: Market
) -> None:
    plain = open_both(**crowned).signal.predict(market[0])
    codes = market[1]["label"].fill_null(0).to_numpy().astype(np.int64) + 1
    state = fit(plain, codes, rule=CalibrationRule(method="temperature"), effective_rows=200)
    told = {"kind": "classification", "final": {"signal": state, "other": None}}
    champion = open_both(crown(bundles, "signal", told), crowned["target"]).signal
    np.testing.assert_allclose(champion.predict(market[0]), apply(state, plain))
    assert not np.allclose(champion.predict(market[0]), plain)
    nothing = np.full(len(plain), np.nan)
    assert champion.covers(Answers(plain, nothing))
    far = np.tile([0.001, 0.001, 0.998], (len(plain), 1))
    assert not champion.covers(Answers(far, nothing))
    assert open_both(**crowned).signal.covers(Answers(far, nothing))


def test_a_champion_of_other_features_is_refused(crowned: dict[str, dict[str, bytes]]) -> None:
    with pytest.raises(BundleError, match="trained on another feature set"):
        open_both(**crowned, feature_set_id="other")


@pytest.mark.parametrize("name", [CALIBRATION, "recipe.json", "preprocess.json"])
def test_a_champion_that_was_altered_is_refused(crowned: dict[str, dict[str, bytes]], name: str) -> None:
    with pytest.raises(BundleError, match="champion: was altered"):
        open_both(crowned["signal"] | {name: crowned["signal"][name] + b" "}, crowned["target"])


def test_a_bundle_without_a_name_is_refused(bundles: dict[str, Files]) -> None:
    with pytest.raises(BundleError, match=r"champion: has no name on it"):
        open_both(bundles["signal"], bundles["target"])


def test_the_index_says_what_is_in_every_bundle(bundles: dict[str, Files]) -> None:
    first, second = index_bundles(bundles | {"lstm": bundle_of_none("left out by the profile quick")})
    assert (first["model"], first["kind"], first["params"]["kind"]) == ("signal", "classification", "logistic")
    assert (second["model"], second["kind"], second["params"]["kind"]) == ("target", "regression", "ridge")
    assert first["bundle_id"] == bundle_id(bundles["signal"])
    assert first["training"]["rows"] > 0
    assert first["weights"] == {"kind": "none", "decay": 1.0}


def test_a_champion_carries_what_its_recipe_scored_out_of_sample(bundles: Any) -> None:
    files = crown({"m": bundles["signal"]}, "m")
    assert json.loads(files[SCORES]) == {"out_of_sample": SCORED}
