"""Forecast targets: between known values, and only where they are positive."""

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from assay.market.errors import DataError
from assay.market.execution import Execution
from assay.market.labels import LabelRule, make_labels

HOUR = timedelta(hours=1)
Panel = Callable[..., pl.DataFrame]
RULE = LabelRule(kind="forecast", horizon=3, target="interest", volatility_span=12, max_gap=2 * HOUR)


def test_the_outcome_runs_from_the_decision_to_the_value_known_at_its_end(market: Panel) -> None:
    panel = market(lengths=(60,))
    row = make_labels(panel, RULE, execution=Execution(delay=2))[0].row(30, named=True)
    values, times = panel["interest"], panel["time"]
    assert row["forward_return"] == pytest.approx(values[33] / values[30] - 1)
    assert row["label_end"] == times[33]
    assert times[30] < row["start"] < times[31]


@pytest.mark.parametrize("value", [0.0, -5.0, None])
def test_a_value_that_is_not_positive_is_missing(value: float | None, market: Panel) -> None:
    panel = market(lengths=(60,))
    at = pl.int_range(pl.len()) == 30
    panel = panel.with_columns(interest=pl.when(at).then(value).otherwise("interest"))
    labels, manifest = make_labels(panel, RULE, execution=Execution())
    assert [t for t in range(10, 50) if labels["label"][t] is None] == [27, 30]
    assert manifest["nulls"]["price"] == 2
    assert labels["scale"][3:].is_finite().all()
    assert labels["scale"][30] == labels["scale"][29]  # no change into it
    assert labels["scale"][31] == labels["scale"][29]  # and none out of it


def test_a_target_that_the_data_lack_is_an_error_unless_it_is_optional(market: Panel) -> None:
    panel = market(lengths=(60,)).with_columns(interest=pl.lit(None, pl.Float64))
    optional = LabelRule(**RULE.root.model_dump(exclude_none=True) | {"optional": True})
    with pytest.raises(DataError, match="no row got a label"):
        make_labels(panel, RULE, execution=Execution())
    for without in (panel, panel.drop("interest")):
        labels, manifest = make_labels(without, optional, execution=Execution())
        assert manifest["absent"] == "these data have no interest"
        assert (manifest["labelled"], manifest["horizon"], manifest["target"]) == (0, 3, "interest")
        assert labels.select("entity", "time").equals(panel.select("entity", "time"))
        assert labels.drop("entity", "time").null_count().row(0) == (60,) * 5
    one = panel.with_columns(interest=pl.when(pl.int_range(pl.len()) >= 0).then(100.0 + pl.int_range(pl.len()) % 3))
    assert make_labels(one, optional, execution=Execution())[1]["absent"] is None
