"""Writing a feature of one's own: what the decorators find out by themselves, and what they refuse."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.errors import ConfigurationError
from assay.market.features import Family, FeatureRule, engineer
from assay.market.features.feature import Array, Feature
from assay.market.features.warm_up import changes, exponential, settled, wilder

own = Family("own")


pytestmark = pytest.mark.usefixtures("registry")


def test_an_expression_of_ones_own(helpers: SimpleNamespace, registry: dict[str, Feature]) -> None:
    @own.expression(windows=(3, 7), unit="ratio", warm_up=changes, reference="this test")
    def middle(n: int) -> pl.Expr:
        """Median close of {n} bars over the previous close.

        Minus 1.
        """
        return pl.col("close").rolling_median(n) / pl.col("close").shift(1) - 1

    assert [name for name in registry if registry[name].family == "own"] == ["middle_3", "middle_7"]
    feature = registry["middle_7"]
    assert feature.definition == "Median close of 7 bars over the previous close. Minus 1"
    assert (feature.window, feature.warm_up, feature.sources) == (7, 7, ("close",))
    panel = helpers.full_panel(entities=1, bars=12)
    features, description = engineer(panel, FeatureRule(families=("own",)))
    close = panel["close"].to_numpy()
    assert features["middle_3"].null_count() == 3
    assert features["middle_3"][-1] == pytest.approx(np.median(close[-3:]) / close[-2] - 1, rel=1e-5)
    assert [entry["reference"] for entry in description["features"]] == ["this test", "this test"]


def test_a_function_of_arrays_of_ones_own(helpers: SimpleNamespace, registry: dict[str, Feature]) -> None:
    seen = []

    @own.arrays(windows=(2,), unit="ratio")
    def share(n: int, taker_buy_volume: Array, volume: Array, close: Array) -> Array:
        """Taker share times {n}."""
        seen.append((len(volume), close[0]))
        return n * taker_buy_volume / volume

    panel = helpers.full_panel(entities=2, bars=10, stagger=3).with_columns(
        volume=pl.when(pl.int_range(pl.len()) != 4).then("volume")
    )
    features, _ = engineer(panel, FeatureRule(families=("own",)))
    assert registry["share_2"].sources == ("close", "taker_buy_volume", "volume")
    assert [rows for rows, _ in seen] == [9, 7]
    assert all(0.5 <= first < 1 for _, first in seen)
    expected = (2 * panel["taker_buy_volume"] / panel["volume"]).to_numpy(writable=True)
    expected[[0, 10]] = np.nan
    assert np.isnan(expected[4])
    np.testing.assert_allclose(features["share_2"].to_numpy(), expected, rtol=1e-6)


def test_a_rank_of_ones_own_leaves_out_what_is_warming_up(helpers: SimpleNamespace) -> None:
    @own.rank(unit="0 to 1", window=3)
    def size() -> pl.Expr:
        """Rank of volume."""
        return pl.col("volume")

    panel = helpers.full_panel(entities=3, bars=8, stagger=1)
    features, _ = engineer(panel, FeatureRule(families=("own",), min_entities=2))
    assert features.filter(pl.col("entity") == "E0")["size"].is_null().to_list() == [True] * 3 + [False] * 5
    fourth = features.filter(pl.col("time") == panel["time"].unique().sort()[3]).sort("entity")["size"].to_list()
    assert sorted(value for value in fourth if value) == [0.25, 0.75]
    assert fourth[2] is None


def test_a_name_can_be_taken_only_once(registry: dict[str, Feature]) -> None:
    def rsi_14() -> pl.Expr:
        """Another."""
        return pl.col("close")

    with pytest.raises(ConfigurationError, match=r"feature rsi_14: is defined twice(.|\n)*momentum and own"):
        own.expression(unit="ratio")(rsi_14)
    assert registry["rsi_14"].family == "momentum"


def test_a_feature_without_words_is_refused() -> None:
    def mystery() -> pl.Expr:
        return pl.col("close")

    with pytest.raises(ConfigurationError, match="feature mystery: has no definition"):
        own.expression(unit="ratio")(mystery)


def test_settled_bars_by_brute_force() -> None:
    """Impulse response: what is left of weight one after k bars of one or two averages."""
    for decay, stages in [(1 - 2 / 21, 1), (13 / 14, 1), (13 / 14, 2)]:
        weights = np.array([1.0])
        kernel = (1 - decay) * decay ** np.arange(2000)
        for _ in range(stages):
            weights = np.convolve(weights, kernel)[:2000]
        left = 1 - np.cumsum(weights)
        assert settled(decay, stages=stages) == pytest.approx(np.argmax(left <= 1e-7) + 1, abs=1)


def test_warm_ups_in_numbers() -> None:
    assert (exponential(20), wilder(14)) == (20 + 162, 14 + 218)


def close_of(n: int) -> pl.Expr:
    """Close {n}."""
    return pl.col("close") / n


def braces() -> pl.Expr:
    """Close {m}."""
    return pl.col("close")


def nothing() -> None:
    """Nothing."""


@pytest.mark.parametrize(
    ("builder", "details", "problem"),
    [
        (close_of, {"windows": (3,)}, "close_of: has no unit"),
        (close_of, {"windows": 3, "unit": "ratio"}, r"close_of: has no list of windows(.|\n)*found: 3"),
        (close_of, {"windows": (), "unit": "ratio"}, "close_of: has no list of windows"),
        (close_of, {"unit": "ratio"}, "close_of: takes a window and is given none"),
        (close_of, {"windws": (3,), "unit": "ratio"}, r"unknown detail windws(.|\n)*some of unit, windows, window"),
        (braces, {"unit": "ratio"}, r"braces: has a definition with unknown braces(.|\n)*found: Close \{m\}"),
        (nothing, {"unit": "ratio"}, r"nothing: is no polars expression(.|\n)*found: NoneType"),
    ],
)
def test_a_feature_that_cannot_be_made_is_refused_by_name(builder: Any, details: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        own.expression(**details)(builder)


def test_a_function_of_arrays_that_fails_names_its_feature(helpers: SimpleNamespace) -> None:
    @own.arrays(windows=(2,), unit="ratio")
    def short(n: int, close: Array) -> Array:
        """The newest {n} closes."""
        return close[-n:]

    with pytest.raises(ConfigurationError, match=r"feature short_2: does not return one value per row(.|\n)*\(2,\)"):
        engineer(helpers.full_panel(entities=1, bars=8), FeatureRule(families=("own",)))


def test_a_bug_in_a_function_of_arrays_keeps_its_traceback_and_names_its_feature(helpers: SimpleNamespace) -> None:
    @own.arrays(unit="ratio")
    def broken(close: Array) -> Array:
        """A bug."""
        return close / {}["divisor"]

    with pytest.raises(KeyError) as caught:
        engineer(helpers.full_panel(entities=1, bars=8), FeatureRule(families=("own",)))
    assert caught.value.__notes__ == ["while computing the feature broken"]
