import subprocess
import sys

import pytest

from assay.market.workload import Workload
from assay.workloads import WORKLOADS

HEAVY = {
    "xgboost",
    "lightgbm",
    "sklearn",
    "optuna",
    "scipy",
    "arch",
    "exchange_calendars",
    "pandera",
    "matplotlib",
    "pandas",
}


def test_the_workloads_are_known_by_name() -> None:
    assert [(w.name, w.out_of_the_box, w.funding) for w in WORKLOADS] == [
        ("equity", True, None),
        ("crypto", True, "funding"),
    ]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
def test_every_workload_predicts_direction_and_size(workload: Workload) -> None:
    signal, size, *others = workload.heads
    assert (signal.name, signal.kind) == ("signal", "classification")
    assert signal.baselines == ("class_prior", "drift", "last_sign", "logistic")
    assert (size.name, size.kind) == ("forward_return", "regression")
    assert size.baselines == ("zero", "drift", "last_sign", "ridge")
    assert signal.models == ("xgboost", "lightgbm", "catboost", "hist_gradient_boosting", "random_forest", "mlp")
    assert size.models == (*signal.models, "lstm")
    assert (signal.traded, size.traded) == (True, True)
    assert not any(head.traded for head in others)


def test_open_interest_is_forecast_and_not_traded() -> None:
    crypto = next(workload for workload in WORKLOADS if workload.name == "crypto")
    head = next(head for head in crypto.heads if head.name == "open_interest")
    assert (head.kind, head.models, head.traded) == ("regression", ("xgboost", "lightgbm", "lstm"), False)


def test_declaring_workloads_is_cheap() -> None:
    code = "import sys, assay.workloads; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "polars" in loaded
    assert HEAVY & set(loaded) == set()
