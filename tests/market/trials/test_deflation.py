"""What the trials of a head say: how many, how far apart, how alike, and what that leaves of a Sharpe ratio."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter

from assay.market.primary import Primary
from assay.market.significance import (
    annualised_sharpe,
    expected_maximum_sharpe,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
    track_record,
)
from assay.market.trials import deflate, outer_trials

Made = Callable[..., Any]


def trial(name: str, **told: Any) -> dict[str, Any]:
    return {"model": name, "configuration": name, "role": "model", "declared": False, **told}


def records_of(ledger: pl.DataFrame, **told: Any) -> list[dict[str, Any]]:
    """Records of a ledger in which each model is its own configuration."""
    names = ledger["model"].unique(maintain_order=True)
    return outer_trials(ledger, {name: trial(name, **told) for name in names})


def sharpes(returns: dict[str, Any]) -> Any:
    return np.array([series.mean() / series.std(ddof=1) for series in returns.values()])


def test_the_hurdle_is_that_of_the_trials_at_hand(make_ledger: Made, make_noise: Made) -> None:
    """Independent trials on the same bars: N, V and the expected maximum are those of the paper."""
    returns = make_noise(12)
    ledger = make_ledger(returns)
    told = deflate(records_of(ledger), ledger, horizon=1)["trials"]
    counts = {name: told[name] for name in ("records", "configurations", "compared", "clusters", "effective")}
    assert counts == dict.fromkeys(counts, 12)
    assert told["sharpe_variance"] == pytest.approx(sharpes(returns).var(ddof=1), rel=1e-5)
    published = expected_maximum_sharpe(12, told["sharpe_variance"])
    assert told["expected_max_2014"] == pytest.approx(published, rel=1e-5)
    hurdle = min(published, expected_maximum_sharpe(12, told["luck_variance"]))
    assert told["expected_max_sharpe"] == pytest.approx(hurdle, rel=1e-5)
    assert f"annual Sharpe ratio of {hurdle * 365.25**0.5:.2f} without any skill" in told["said"]


def test_skill_that_differs_raises_no_hurdle(make_ledger: Made, make_noise: Made) -> None:
    """Half of the trials earn, half lose: the luckiest without skill would show neither."""
    noise, skill = make_noise(12), itertools.cycle((-0.4, 0.4))
    returns = {name: series + next(skill) * series.std() for name, series in noise.items()}
    ledger = make_ledger(returns)
    found = deflate(records_of(ledger), ledger, horizon=1)
    told, best = found["trials"], found["models"]["m1"]
    assert told["sharpe_variance"] > 20 * told["luck_variance"]
    assert told["expected_max_sharpe"] == pytest.approx(expected_maximum_sharpe(12, told["luck_variance"]))
    assert told["expected_max_2014"] > 4 * told["expected_max_sharpe"]
    assert best["dsr"] > 0.99 > best["dsr_2014"]


def test_luck_varies_more_where_returns_follow_each_other(make_ledger: Made, make_noise: Made) -> None:
    """Over markets without skill, the ratio of an AR(.5) book varies by (1 + .5) / (1 - .5) / bars."""
    noise = make_noise(2)
    following = {name: lfilter([1.0], [1.0, -0.5], series) for name, series in noise.items()}
    against = {name: lfilter([1.0], [1.0, 0.5], series) for name, series in noise.items()}
    ledgers = [make_ledger(returns) for returns in (following, against)]
    more, less = (deflate(records_of(ledger), ledger, horizon=1)["trials"]["luck_variance"] for ledger in ledgers)
    assert more == pytest.approx(3.0 / 400, rel=0.3)
    assert less == 1 / 400


def test_every_model_is_held_against_the_hurdle(make_ledger: Made, make_noise: Made) -> None:
    returns = make_noise(3, seed=4)
    returns["m1"] += 0.002
    ledger = make_ledger(returns)
    found = deflate(records_of(ledger), ledger, horizon=1)
    hurdle, year = found["trials"]["expected_max_sharpe"], found["bars_per_year"]
    assert year == pytest.approx(365.25)
    assert found["bars"] == 400
    track = track_record(returns["m1"])
    expected = {
        "sharpe_per_bar": track.sharpe,
        "skew": track.skew,
        "kurtosis": track.kurtosis,
        "psr": probabilistic_sharpe_ratio(track),
        "dsr": probabilistic_sharpe_ratio(track, hurdle),
        "dsr_2014": probabilistic_sharpe_ratio(track, found["trials"]["expected_max_2014"]),
        "min_track_record_years": minimum_track_record_length(track) / year,
        "min_backtest_years": minimum_backtest_length(track.sharpe * year**0.5, trials=3),
        "lo_annual_sharpe": annualised_sharpe(returns["m1"], bars_per_year=year),
    }
    assert found["models"]["m1"] == pytest.approx(expected)
    assert found["models"]["m1"]["dsr"] < found["models"]["m1"]["psr"]


def test_books_that_never_vary_have_no_figures_and_count(make_ledger: Made, make_noise: Made) -> None:
    ledger = make_ledger({**make_noise(2), "idle": np.zeros(400)})
    found = deflate(records_of(ledger), ledger, horizon=1)
    assert set(found["models"]["idle"].values()) == {None}
    assert found["trials"]["configurations"] == 3
    assert found["trials"]["compared"] == 2
    assert "NaN" not in json.dumps(found)


def test_a_daily_rerun_is_no_new_configuration(make_ledger: Made, make_noise: Made) -> None:
    returns = make_noise(4, 420)
    records = []
    for day in range(5):
        ledger = make_ledger({name: series[: 400 + day] for name, series in returns.items()})
        records += records_of(ledger)
    found = deflate(records, ledger, horizon=1)["trials"]
    assert (found["records"], found["configurations"], found["compared"]) == (20, 4, 4)
    full = sharpes({name: series[:404] for name, series in returns.items()})
    assert found["sharpe_variance"] == pytest.approx(full.var(ddof=1), rel=1e-5)


def test_the_same_configuration_on_bars_of_another_length_is_another_one(make_ledger: Made, make_noise: Made) -> None:
    ledger = make_ledger(make_noise(3))
    hourly = records_of(make_ledger(make_noise(3, seed=1), step=timedelta(hours=1)))
    told = deflate([*hourly, *hourly, *records_of(ledger)], ledger, horizon=1)["trials"]
    assert (told["configurations"], told["compared"]) == (6, 3)


def test_trials_of_other_spans_are_aligned_on_their_times(make_ledger: Made, make_noise: Made) -> None:
    """An older run ends 40 bars earlier, another one begins 30 bars later: all are compared on what they share."""
    new, older, later = make_noise(2), make_noise(2, 360, seed=1), make_noise(2, 370, seed=2)
    ledger = make_ledger(new)
    records = [
        *records_of(make_ledger({f"older {name}": series for name, series in older.items()})),
        *records_of(make_ledger({f"later {name}": series for name, series in later.items()}, skip=30)),
        *records_of(ledger),
    ]
    told = deflate(records, ledger, horizon=1)["trials"]
    shared = [series[30:360] for series in new.values()]
    shared += [series[30:] for series in older.values()] + [series[:330] for series in later.values()]
    assert told["compared"] == 6
    assert told["sharpe_variance"] == pytest.approx(sharpes(dict(enumerate(shared))).var(ddof=1), rel=1e-5)


@pytest.mark.parametrize("other", [{"skip": 150}, {"step": timedelta(hours=7)}], ids=["half the span", "other bars"])
def test_trials_that_cannot_be_compared_count_with_the_spread_of_luck(
    make_ledger: Made, make_noise: Made, other: dict[str, Any]
) -> None:
    returns = make_noise(3)
    ledger = make_ledger(returns)
    unlike = make_ledger({f"unlike {name}": series for name, series in make_noise(5, seed=9).items()}, **other)
    told = deflate([*records_of(unlike), *records_of(ledger)], ledger, horizon=1)["trials"]
    assert (told["configurations"], told["compared"], told["effective"]) == (8, 3, 8)
    pooled = (3 * sharpes(returns).var(ddof=1) + 5 * told["luck_variance"]) / 8
    assert told["sharpe_variance"] == pytest.approx(pooled, rel=1e-5)


def test_records_of_older_versions_count(make_ledger: Made, make_noise: Made) -> None:
    """They list net returns without times, and no configuration."""
    ledger = make_ledger(make_noise(2))
    old = {"head": "signal", "horizon": 1, "feature_set_id": "f", "backtest": {"fee": 1}, "net_returns": [0.1, 0.2]}
    records = [{**old, "model": "m0"}, {**old, "model": "m0", "net_returns": [0.3]}, {**old, "model": "x"}]
    told = deflate([*records, *records_of(ledger)], ledger, horizon=1)["trials"]
    assert (told["records"], told["configurations"], told["compared"]) == (5, 4, 2)


def test_naive_baselines_do_not_count_unless_one_was_ever_declared(make_ledger: Made, make_noise: Made) -> None:
    returns = make_noise(2) | {"drift": make_noise(1, seed=5)["m0"]}
    ledger = make_ledger(returns)
    records = records_of(ledger, role="baseline")
    found = deflate(records, ledger, horizon=1)
    assert (found["trials"]["records"], found["trials"]["configurations"]) == (3, 2)
    assert found["trials"]["claims"] == []
    assert found["models"]["drift"]["psr"] is not None  # judged like the others all the same
    claimed = deflate([*records, *records_of(ledger, declared=True)], ledger, horizon=1)["trials"]
    assert claimed["configurations"] == 3
    assert claimed["claims"] == ["drift", "m0", "m1"]


def test_every_claim_ever_made_is_told(configure: Made, make_ledger: Made) -> None:
    ledger = make_ledger({name: np.random.default_rng(n).standard_normal(50) for n, name in enumerate(("one", "two"))})
    records = [
        *outer_trials(ledger, configure()),
        *outer_trials(ledger, configure(primary=Primary(head="signal", model="two"))),
    ]
    told = deflate(records, ledger, horizon=1)["trials"]
    assert told["claims"] == ["one", "two"]
    assert told["configurations"] == 2
    assert "Declared primary so far: one, two." in told["said"]


def test_variants_of_one_idea_do_not_lower_the_hurdle(make_ledger: Made, make_noise: Made) -> None:
    returns = make_noise(6)
    ledger = make_ledger(returns)
    before = deflate(records_of(ledger), ledger, horizon=1)["trials"]
    rng = np.random.default_rng(1)
    clones = {f"clone {n}": returns["m0"] + 1e-5 * rng.standard_normal(400) for n in range(40)}
    after = deflate([*records_of(make_ledger(clones)), *records_of(ledger)], ledger, horizon=1)["trials"]
    assert (after["configurations"], after["clusters"], after["effective"]) == (46, 6, 6)
    assert after["sharpe_variance"] < 0.5 * before["sharpe_variance"]
    assert after["expected_max_sharpe"] == pytest.approx(before["expected_max_sharpe"], rel=1e-3)


def test_a_cluster_weighs_its_trials_by_their_risk(make_ledger: Made, make_noise: Made) -> None:
    """The same returns ten times as large say the same."""
    returns = make_noise(4)
    hurdles = []
    for scale in (1.0, 10.0):
        plain = {f"clone {n}": returns["m0"] + 1e-6 * n for n in range(15)}
        better = {f"better {n}": scale * (returns["m0"] + 0.0003 + 1e-6 * n) for n in range(15)}
        ledger = make_ledger(returns | plain | better)
        told = deflate(records_of(ledger), ledger, horizon=1)["trials"]
        assert told["clusters"] == 4
        hurdles.append(told["expected_max_sharpe"])
    assert hurdles[0] == pytest.approx(hurdles[1], rel=1e-4)
    assert hurdles[0] > 1.01 * expected_maximum_sharpe(34, told["sharpe_variance"])  # it is the clusters' that counts


def test_of_several_results_of_a_configuration_the_newest_on_the_judged_bars_is_compared(
    make_ledger: Made, make_noise: Made
) -> None:
    returns = make_noise(2)
    ledger, redone = make_ledger(returns), {"m0": make_noise(1, seed=8)["m0"]}
    shorter = make_ledger({"m0": make_noise(1, 380, seed=7)["m0"]})
    records = [*records_of(ledger), *records_of(make_ledger(redone)), *records_of(shorter)]
    told = deflate(records, ledger, horizon=1)["trials"]
    assert told["sharpe_variance"] == pytest.approx(sharpes(returns | redone).var(ddof=1), rel=1e-5)


def test_one_trial_alone_is_not_deflated(make_ledger: Made, make_noise: Made) -> None:
    ledger = make_ledger(make_noise(1))
    found = deflate(records_of(ledger), ledger, horizon=1)
    assert found["trials"]["expected_max_sharpe"] == 0.0
    assert found["models"]["m0"]["dsr"] == found["models"]["m0"]["psr"]


def test_overfitting_is_that_of_all_compared_configurations(make_ledger: Made, make_noise: Made) -> None:
    returns, older = make_noise(3), make_noise(3, seed=3)
    ledger = make_ledger(returns)
    earlier = make_ledger({f"older {name}": series for name, series in older.items()})
    pbo = deflate([*records_of(earlier), *records_of(ledger)], ledger, horizon=2)["pbo"]
    assert (pbo["strategies"], pbo["splits"], pbo["blocks"]) == (6, 12_870, 16)
    columns = np.column_stack([*older.values(), *returns.values()])
    assert pbo["value"] == pytest.approx(probability_of_backtest_overfitting(columns).value, abs=1e-3)
    assert f"In {pbo['value']:.0%} of 12870 splits" in pbo["said"]


@pytest.mark.parametrize(
    ("models", "horizon", "said"),
    [(3, 1, "3 strategies with varying returns, 4 are needed"), (4, 3, "400 common bars, 480 are needed")],
)
def test_overfitting_needs_strategies_and_bars(
    make_ledger: Made, make_noise: Made, models: int, horizon: int, said: str
) -> None:
    ledger = make_ledger(make_noise(models))
    pbo = deflate(records_of(ledger), ledger, horizon=horizon)["pbo"]
    assert pbo["value"] is None
    assert said in pbo["said"]
