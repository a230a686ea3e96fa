"""The search space: what Optuna draws from, choices that are lists, and the grid."""

import json
from itertools import product
from typing import Any, ClassVar, Literal

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from assay.market.models.base import ModelRule
from assay.market.tuning.space import distributions, grid, stored, told, untuned


class Network(ModelRule):
    kind: Literal["network"] = "network"
    layers: tuple[int, ...] = (64, 32)
    activation: str | None = "relu"
    dropout: float = 0.3
    rate: float = 0.01
    rounds: int = 20

    library: ClassVar[str] = "none"


LAYERS = {"options": [[64, 32], [32], [128, 64, 32]]}


def network(**search: Any) -> Network:
    return Network.model_validate({"search": search})


def test_ranges_and_choices_as_optuna_draws_them() -> None:
    params = network(
        rate={"low": 0.001, "high": 0.1, "log": True},
        rounds={"low": 2, "high": 40},
        layers=LAYERS,
        activation={"options": ["relu", None]},
    )
    found = distributions(params)
    assert list(found) == ["activation", "layers", "rate", "rounds"]
    assert found == {
        "activation": CategoricalDistribution(['"relu"', "null"]),
        "layers": CategoricalDistribution(["[64, 32]", "[32]", "[128, 64, 32]"]),
        "rate": FloatDistribution(0.001, 0.1, log=True),
        "rounds": IntDistribution(2, 40),
    }
    logarithmic = distributions(network(rounds={"low": 2, "high": 40, "log": True}))
    assert logarithmic == {"rounds": IntDistribution(2, 40, log=True)}


def test_what_is_stored_is_told_again() -> None:
    params = network(layers=LAYERS, activation={"options": ["relu", None]}, rate={"low": 0.001, "high": 0.1})
    values = {"layers": (128, 64, 32), "activation": None, "rate": 0.05}
    assert stored(params, values) == {"layers": "[128, 64, 32]", "activation": "null", "rate": 0.05}
    back = told(params, stored(params, values))
    assert back == {"layers": [128, 64, 32], "activation": None, "rate": 0.05}
    assert params.with_values(back).layers == (128, 64, 32)
    assert untuned(params) == {"activation": '"relu"', "layers": "[64, 32]", "rate": 0.01}
    assert json.loads(json.dumps(back)) == back


def test_the_grid_holds_every_combination_once_but_not_the_untuned_one() -> None:
    params = network(
        rate={"low": 0.001, "high": 0.1, "log": True},
        rounds={"low": 10, "high": 30},
        layers={"options": [[64, 32], [8]]},
    )
    cells = grid(params, 3, seed=0)
    combined = {(cell["layers"], round(cell["rate"], 12), cell["rounds"]) for cell in cells}
    everything = set(product(("[64, 32]", "[8]"), (0.001, 0.01, 0.1), (10, 20, 30)))
    assert len(cells) == len(combined) == 17
    assert combined == everything - {("[64, 32]", 0.01, 20)}
    assert all(type(cell["rounds"]) is int for cell in cells)


def test_the_order_of_the_grid_is_decided_by_the_seed() -> None:
    params = network(rate={"low": 0.001, "high": 0.1}, rounds={"low": 10, "high": 30})
    assert grid(params, 4, seed=1) == grid(params, 4, seed=1)
    assert grid(params, 4, seed=1) != grid(params, 4, seed=2)
    assert sorted(map(str, grid(params, 4, seed=1))) == sorted(map(str, grid(params, 4, seed=2)))


@pytest.mark.parametrize("log", [False, True])
def test_points_of_the_grid_stay_inside_their_range(log: bool) -> None:
    params = network(rate={"low": 0.007, "high": 0.013, "log": log}, rounds={"low": 19, "high": 21, "log": log})
    cells = grid(params, 7, seed=0)
    assert {cell["rounds"] for cell in cells} == {19, 20, 21}
    assert min(cell["rate"] for cell in cells) == 0.007
    assert max(cell["rate"] for cell in cells) == 0.013
