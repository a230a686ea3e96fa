"""Ledgers of known returns, and a head to configure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.ensembles.rules import EnsembleRules
from assay.market.execution import Execution
from assay.market.plan import Learning, Plan
from assay.market.primary import Primary
from assay.market.tables import CHARGES
from assay.market.trading import BacktestRule
from assay.market.trials import configurations

START = datetime(2024, 1, 1, tzinfo=UTC)


def ledger_of(returns: Mapping[str, Any], *, skip: int = 0, step: timedelta = timedelta(days=1)) -> pl.DataFrame:
    """A ledger of two entities in which the book of each model has these returns, from bar ``skip`` on."""
    tables = []
    for model, series in returns.items():
        times = [START + step * (skip + bar) for bar in range(len(series))]
        for entity, tilt in (("A", 0.3), ("B", -0.3)):
            zeros = dict.fromkeys(("position", *CHARGES, "turnover", "gross"), 0.0)
            columns = {"entity": entity, "time": times, "pnl": np.asarray(series) + tilt, **zeros}
            tables.append(pl.DataFrame({"model": model, **columns}))
    return pl.concat(tables).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


def plan_of(**changed: Any) -> Plan:
    """Plan of a head with two models and two baselines."""
    fixed = {
        "head": "signal",
        "kind": "classification",
        "roles": {"one": "model", "two": "model", "logistic": "baseline", "drift": "baseline"},
        "horizon": 1,
        "execution": Execution(),
        "feature_set_id": "f",
        "receipts": (),
        "learning": Learning(),
    }
    return Plan.model_validate(fixed | changed)


def configured(plan: Plan | None = None, **changed: Any) -> dict[str, dict[str, Any]]:
    """`configurations` of the head with one thing or another changed."""
    rule = BacktestRule.model_validate({"costs": {"fee_bp": 2.0, "half_spread_bp": 1.0}})
    given: dict[str, Any] = {
        "best_params": {"one": {"params": {"kind": "a", "depth": 3}}, "two": {"params": {"kind": "b"}}},
        "ensembles": EnsembleRules.model_validate({"mean": {"kind": "mean", "members": ["one", "two"]}}),
        "primary": Primary(head="signal", model="one"),
        "rules": {"backtest": rule},
    }
    return configurations(plan or plan_of(), **(given | changed))


def noise(models: int, bars: int = 400, *, seed: int = 0) -> dict[str, Any]:
    """Independent returns without skill by name of a model."""
    rng = np.random.default_rng(seed)
    return {f"m{number}": 0.01 * rng.standard_normal(bars) for number in range(models)}


@pytest.fixture
def make_ledger() -> Callable[..., pl.DataFrame]:
    return ledger_of


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    return plan_of


@pytest.fixture
def configure() -> Callable[..., dict[str, dict[str, Any]]]:
    return configured


@pytest.fixture
def make_noise() -> Callable[..., dict[str, Any]]:
    return noise
