"""The threshold that makes a wanted share NEUTRAL, and what it may see."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from assay.market.errors import ConfigurationError, DataError
from assay.market.execution import Execution
from assay.market.labels import LabelRule, make_labels

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BEFORE = START + 200 * HOUR
KINDS: dict[str, dict[str, Any]] = {
    "fixed_horizon": {"horizon": 3},
    "trend_scanning": {"max_length": 8},
    "forecast": {"horizon": 3, "target": "interest"},
}
Panel = Callable[..., pl.DataFrame]


def labelled(panel: pl.DataFrame, kind: str, share: float | None, **rest: Any) -> tuple[pl.DataFrame, dict[str, Any]]:
    chosen = rest or {"neutral_share": share}
    rule = LabelRule(**({"kind": kind, "volatility_span": 20, "max_gap": 2 * HOUR} | KINDS[kind] | chosen))
    return make_labels(panel, rule, execution=Execution(), before=BEFORE)


@pytest.mark.parametrize("share", [0.2, 0.6])
@pytest.mark.parametrize("kind", KINDS)
def test_the_share_is_met_on_the_rows_before_the_first_test_fold(kind: str, share: float, market: Panel) -> None:
    labels, manifest = labelled(market(lengths=(400, 380)), kind, share)
    seen = labels.filter(pl.col("label_end") < BEFORE)
    assert (seen["label"] == 0).mean() == pytest.approx(share, abs=2 / seen.height)
    assert manifest["neutral_share"] == share
    assert manifest["threshold_seen"] == seen["label_end"].max().isoformat()
    assert datetime.fromisoformat(manifest["threshold_seen"]) < BEFORE


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_in_the_manifest_makes_the_same_labels_when_it_is_fixed(kind: str, market: Panel) -> None:
    panel = market(lengths=(400,))
    labels, manifest = labelled(panel, kind, 0.5)
    again, told = labelled(panel, kind, None, threshold=manifest["threshold"])
    assert again.equals(labels)
    assert told["threshold_seen"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_does_not_move_it(kind: str, market: Panel) -> None:
    panel = market(lengths=(400,))
    late = pl.col("time") >= BEFORE
    wild = panel.with_columns(
        pl.when(late).then(pl.col(name) * (1.5 + pl.col(name).sin())).otherwise(name).alias(name)
        for name in ("open", "high", "low", "close", "interest")
    )
    found = [labelled(p, kind, 0.5)[1] for p in (panel, wild, panel.filter(~late))]
    assert found[0]["threshold"] == found[1]["threshold"] == found[2]["threshold"]
    assert found[0]["class_shares"] != found[1]["class_shares"]


def test_it_is_one_number_for_all_entities_and_counts_their_rows_alike(market: Panel) -> None:
    panel = market(lengths=(400, 390))
    labels, _ = labelled(panel, "fixed_horizon", 0.4)
    seen = labels.filter(pl.col("label_end") < BEFORE).drop_nulls()
    ratio = seen["forward_return"].abs() / seen["scale"]
    assert ratio.filter(seen["label"] == 0).max() < ratio.filter(seen["label"] != 0).min()


def test_it_needs_to_know_where_the_first_test_fold_begins(market: Panel) -> None:
    rule = LabelRule(kind="fixed_horizon", neutral_share=0.4, max_gap=HOUR)
    with pytest.raises(ConfigurationError, match=r"(?s)neutral_share.*first test fold begins.*fixed threshold"):
        make_labels(market(), rule, execution=Execution())
    with pytest.raises(DataError, match=r"(?s)no label was known before.*raise min_train"):
        make_labels(market(), rule, execution=Execution(), before=START)
