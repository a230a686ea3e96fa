"""Calibration: whether a class that is given 40 % comes in 40 of 100 cases."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.market.tables import CLASS_NAMES
from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table
from assay.report.figures.reliability import reliability_figure
from assay.report.format import MISSING, counted, difference, is_number, number, opening, prose, quantity, title
from assay.report.view import HeadView

_LEDE = (
    "A calibrator maps what a model says onto what then happened. It is fitted on out-of-sample answers of folds up to "
    "k − 2, accepted on fold k − 1 if the Brier score improves there, and applied to fold k; otherwise the "
    "probabilities stay as they are. ECE, the mean distance from the diagonal, is never zero by chance, so it stands "
    "beside what perfect probabilities would show on as many rows. Market probabilities lie close to the class shares: "
    "bold ones are a warning, not a skill."
)
_CAPTION = "Dots: mean probability and share of each bin with its interval. Dashed: perfect. Bars at the foot: rows."
Found = Mapping[str, Any]


def calibration_block(view: HeadView) -> Block:
    """Show the reliability of the lead, calibrated, and what calibration did for every model.

    Args:
        view: The head (classification).

    Returns:
        The block; empty on other kinds of heads.
    """
    models = view.facts.calibration["models"] if view.facts.kind == "classification" else {}
    order = [*(name for name in view.tried if name in models), *(name for name in models if name not in view.tried)]
    first = order[0] if order else ""
    others = [figure for name in order[1:3] for figure in _reliability(view, name, models[name])]
    more = [Drawer("Reliability of the next best models", figures=others)] if others else []
    more += [Drawer("Fold by fold", [_folds(name, models[name]) for name in order])] if order else []
    return Block(
        f"{view.slug}-calibration",
        "Calibration",
        _LEDE,
        reading=_reading(first, models[first]) if first else "",
        figures=_reliability(view, first, models[first]) if first else (),
        tables=[_models(view, order, models)] if order else (),
        more=more,
    )


def _reliability(view: HeadView, name: str, found: Found) -> list[Figure]:
    by_class = {label: [one for one in found["reliability"] if one["class"] == label] for label in CLASS_NAMES}
    return [
        Figure(
            f"{label}, {title(name)}",
            reliability_figure(bins, name=label, slug=f"{view.slug}-reliability-{name}-{label}", title=title(name)),
            caption=_CAPTION if label == CLASS_NAMES[0] else "",
        )
        for label, bins in by_class.items()
        if bins
    ]


def _models(view: HeadView, order: Sequence[str], models: Mapping[str, Found]) -> Table:
    columns = [
        Column("Model", mark="text"),
        Column("Accepted", hint="folds to which a calibrator was applied, of all folds"),
        Column("Brier, raw", "lower is better"),
        Column("Brier, calibrated"),
        Column("Difference", hint="calibrated less raw; negative is better"),
        Column("ECE", "after calibration"),
        Column("ECE by chance", "1 of 20 exceed it", "what perfect probabilities would show on as many rows"),
        Column("Judgement", mark="text"),
    ]
    rows = [_model(view, name, models[name]) for name in order]
    method = title(view.facts.calibration["method"])
    return Table("Calibration of every model", columns, rows, note=f"Method: {method}.")


def _model(view: HeadView, name: str, found: Found) -> list[Cell]:
    raw, calibrated = found["brier"]["raw"], found["brier"]["calibrated"]
    both = is_number(raw) and is_number(calibrated)
    return [
        Cell(title(name), mark="text lead" if name == view.lead else "text"),
        Cell(f"{_accepted(found)} of {len(found['folds'])}"),
        Cell(number(raw)),
        Cell(number(calibrated)),
        Cell(difference(calibrated - raw) if both else MISSING),
        Cell(number(found["ece"]["value"])),
        Cell(number(found["ece"]["null_95"])),
        Cell(_judged(found["ece"]), hint=prose(found["ece"]["said"]), mark="text"),
    ]


def _judged(ece: Found) -> str:
    if not is_number(ece["value"]) or not is_number(ece["null_95"]):
        return MISSING
    return "beyond chance" if ece["value"] > ece["null_95"] else "within chance"


def _accepted(found: Found) -> int:
    return sum(bool(fold["accepted"]) for fold in found["folds"])


def _folds(name: str, found: Found) -> Table:
    columns = [
        Column("Fold", mark="text"),
        Column("Fitted on folds", mark="text"),
        Column("Rows"),
        Column("Judged on fold"),
        Column("Brier there, before"),
        Column("after"),
        Column("Applied", mark="text"),
        Column("Why", mark="text"),
    ]
    rows = [
        [
            Cell(quantity(fold["fold"]), mark="text"),
            Cell(", ".join(map(quantity, fold["fitted_on"])) or MISSING, mark="text"),
            Cell(quantity(fold["rows"]) if fold["rows"] else MISSING),
            Cell(quantity(fold["accepted_on"])),
            Cell(number(fold.get("brier_before"))),
            Cell(number(fold.get("brier_after"))),
            Cell("calibrator" if fold["accepted"] else "nothing", mark="text"),
            Cell(opening(prose(fold["said"] or "")) or MISSING, mark="text prose"),
        ]
        for fold in found["folds"]
    ]
    return Table(f"Calibration of {title(name)}, fold by fold", columns, rows)


def _reading(name: str, found: Found) -> str:
    folds = found["folds"]
    said = (
        f"{opening(title(name))}: the calibrator was accepted in {_accepted(found)} of {counted(len(folds), 'fold')}."
    )
    return f"{said} {opening(prose(found['ece']['said']))}."
