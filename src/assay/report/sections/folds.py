"""The same metrics fold by fold."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table, value_cell
from assay.report.figures.folds import FoldSeries, fold_strip
from assay.report.format import MISSING, counted, day, is_number, number, opening, title
from assay.report.view import HeadView

_LEDE = (
    "Walk-forward folds in order of time: each model is trained on all earlier data and predicts the next stretch. "
    "Skill that lasts shows in most folds; a single good fold is luck or a regime."
)


def fold_block(view: HeadView) -> Block:
    """Show the key metrics over the folds with mean and standard deviation.

    Args:
        view: The head.

    Returns:
        Strips of the first three key metrics and one table per key metric, all but the first in drawers.
    """
    tables = [_table(view, metric) for metric in view.key_metrics]
    return Block(
        f"{view.slug}-folds",
        "Fold by fold",
        _LEDE,
        reading=_reading(view),
        figures=[_strip(view, metric) for metric in view.key_metrics[:3]],
        tables=tables[:1],
        more=[Drawer("Other metrics per fold", tables[1:])] if tables[1:] else (),
    )


def _folds(view: HeadView) -> list[int]:
    return sorted({int(entry["fold"]) for model in view.models for entry in view.model(model)["folds"]})


def _values(view: HeadView, model: str, metric: str) -> list[float | None]:
    found = {int(entry["fold"]): entry[metric] for entry in view.model(model)["folds"]}
    return [value if is_number(value := found.get(fold)) else None for fold in _folds(view)]


def _strip(view: HeadView, metric: str) -> Figure:
    info = view.info(metric)
    series = [
        FoldSeries(title(model), _values(view, model, metric), view.role(model), lead=model == view.lead)
        for model in view.shown
    ]
    svg = fold_strip(series, _folds(view), unit=info.unit, slug=f"{view.slug}-strip-{metric}", title=info.label)
    return Figure(info.label, svg, caption=f"line: {title(view.lead)} · dots: other models · hollow: baselines")


def _table(view: HeadView, metric: str) -> Table:
    info, common = view.info(metric), view.evaluation["common_folds"]
    spans = {receipt["fold"]: _months(receipt) for receipt in view.facts.receipts}
    folds = [Column(f"Fold {fold}", spans[fold]) for fold in _folds(view)]
    columns = [Column("Model", mark="text"), *folds, Column("Mean ± std", "all folds")]
    note = f"Models are compared on the common {'fold' if len(common) == 1 else 'folds'} {', '.join(map(str, common))}."
    return Table(f"{info.label} per fold", columns, [_row(view, name, metric) for name in view.shown], note=note)


def _months(receipt: Mapping[str, Any]) -> str:
    return f"{day(receipt['test_start'])[:7]} to {day(receipt['test_end'])[:7]}"


def _row(view: HeadView, model: str, metric: str) -> list[Cell]:
    unit = view.info(metric).unit
    entry = view.model(model)
    mean, std = (entry[name][metric] for name in ("fold_mean", "fold_std"))
    spread = f"{number(mean, unit)} ± {number(std, unit)}" if is_number(mean) else MISSING
    mark = "lead" if model == view.lead else "" if view.role(model) == "model" else "quiet"
    values = [value_cell(value, unit, mark=mark) for value in _values(view, model, metric)]
    return [Cell(title(model), mark=f"text {mark}"), *values, Cell(spread, mark=mark)]


def _reading(view: HeadView) -> str:
    values = [value for value in _values(view, view.lead, view.metric) if value is not None]
    info = view.info(view.metric)
    if not values:
        return ""
    if info.lower_is_better or min(values) > 0.3:
        ends = f"{number(min(values), info.unit)} and {number(max(values), info.unit)}"
        return f"{opening(title(view.lead))}: {info.label} between {ends}."
    above = sum(value > 0 for value in values)
    return (
        f"{opening(title(view.lead))}: {info.label} is above zero in {above} of {counted(len(values), 'fold')}, "
        f"mean {number(fmean(values), info.unit)}."
    )
