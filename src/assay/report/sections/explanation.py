"""Explanation: what moved the answers on rows that the models had not seen, and whether the folds agree."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Size, Table, drawn, value_cell
from assay.report.figures.shap_beeswarm import beeswarm_figure
from assay.report.figures.shap_dependence import dependence_figure
from assay.report.figures.shap_folds import place_figure, size_figure
from assay.report.figures.shap_points import Cloud
from assay.report.figures.shap_words import UNITS
from assay.report.format import counted, number, opening, percent, quantity, reasons, title
from assay.report.view import HeadView

_LEDE = (
    "SHAP values split each answer into what every feature added to it. They are taken from the model of each fold on "
    "rows of its own test fold, so they explain the answers that are scored here, and they add up to them. "
    "They say what moved the model, not what moves the market."
)
_LISTED, _SWARMED, _PANELS = 12, 12, 4
_ONE_IN = 3  # of the rows, one in so many is drawn on a narrow screen


def explanation_block(view: HeadView) -> Block:
    """Show what moved the answers of the lead, and how far the folds of every model agree.

    Args:
        view: The head.

    Returns:
        The block; empty when no model is explained.
    """
    models: Mapping[str, Any] = view.facts.explanation["models"]
    slug, heading = f"{view.slug}-explanation", "What moved the answers"
    if not models:
        return Block(slug, heading, _LEDE)
    shown = _shown(view, models)
    others = [_sizes(f"{slug}-{model}", model, found, "third") for model, found in models.items() if model != shown]
    return Block(
        slug,
        heading,
        _LEDE,
        reading=_reading(shown, models[shown]),
        figures=[*_clouds(slug, view, shown, models[shown]), *_folds(slug, shown, models[shown])],
        more=[
            Drawer(
                "Every model: size, agreement of the folds", [_agreement(models, view.facts.explanation["left_out"])]
            ),
            *([Drawer("Largest features of the other models", figures=others)] if others else []),
        ],
    )


def _shown(view: HeadView, models: Mapping[str, Any]) -> str:
    """The model whose rows were kept, else the best of those explained."""
    kept = [str(row["model"]) for row in view.facts.shap_sample[:1]]
    return next(model for model in (*kept, *view.tried, *models) if model in models)


def _clouds(slug: str, view: HeadView, model: str, found: Mapping[str, Any]) -> list[Figure]:
    """Row by row, and by value; nothing where no rows were kept of the model."""
    sample = [row for row in view.facts.shap_sample if row["model"] == model]
    rows = len({row["row"] for row in sample})
    if not rows:
        return []
    what, unit = UNITS[found["unit"]]
    order = [feature["name"] for feature in found["features"][:_SWARMED]]
    wide, narrow = _read(sample, order), _read([row for row in sample if row["row"] % _ONE_IN == 0], order)
    axis = f"added to the {what}"
    swarm = beeswarm_figure(wide, axis=axis, unit=unit, wide=True, slug=f"{slug}-swarm")
    small_swarm = beeswarm_figure(narrow, axis=axis, unit=unit, wide=False, slug=f"{slug}-swarm-narrow")
    panels = dependence_figure(wide[:_PANELS], unit=unit, wide=True, slug=f"{slug}-by-value")
    small_panels = dependence_figure(narrow[:_PANELS], unit=unit, wide=False, slug=f"{slug}-by-value-narrow")
    seen = f"A dot is one of {counted(rows, 'row')}, spread over all test folds. Right of 0: towards {_toward(found)}."
    coloured = f"{seen} Colour: whether the feature was low or high; grey: not known."
    swarmed = f"{opening(title(model))}: what each feature added, row by row"
    by_value = f"What was added by value, {counted(len(wide[:_PANELS]), 'largest feature')}"
    across = f"Across: the feature. Up: {axis}. Line: mean of each tenth of the rows."
    return [
        Figure(swarmed, swarm, small_swarm, coloured, "whole"),
        Figure(by_value, panels, small_panels, across, "whole"),
    ]


def _read(sample: Sequence[Mapping[str, Any]], order: Sequence[str]) -> list[Cloud]:
    """The rows by feature."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in order}
    for row in sample:
        if row["feature"] in found and row["shap"] is not None:
            found[row["feature"]].append((np.nan if row["value"] is None else row["value"], row["shap"]))
    return [Cloud(name, *np.array(pairs, dtype=float).T) for name, pairs in found.items() if pairs]


def _folds(slug: str, model: str, found: Mapping[str, Any]) -> list[Figure]:
    listed, folds = found["features"][:_LISTED], found["folds"]
    places = drawn(
        "Place in the ranking of each fold",
        lambda wide: place_figure(listed, folds, wide=wide, slug=f"{slug}-places-{wide}"),
        caption="Column: fold. Number: place in its ranking; a thin line: not read there.",
    )
    return [_sizes(slug, model, found), places]


def _sizes(slug: str, model: str, found: Mapping[str, Any], size: Size = "half") -> Figure:
    (what, unit), listed = UNITS[found["unit"]], found["features"][:_LISTED]
    return drawn(
        f"{opening(title(model))}: mean size of what was added",
        lambda wide: size_figure(listed, axis=what, unit=unit, wide=wide, slug=f"{slug}-sizes-{wide}"),
        caption=f"{quantity(found['rows'])} out-of-sample rows. Line: lowest and highest fold.",
        size=size,
    )


def _toward(found: Mapping[str, Any]) -> str:
    return "a higher forecast" if found["unit"] == "return" else "LONG"


def _agreement(models: Mapping[str, Any], left_out: Mapping[str, str]) -> Table:
    columns = [
        Column("Model", mark="text"),
        Column("Rows"),
        Column("Unit", mark="text"),
        Column("Largest feature", mark="text"),
        Column("Its share"),
        Column("Rankings agree", "Spearman, over pairs of folds"),
        Column("Largest in common", "by chance"),
        Column("Same direction", "in every fold"),
        Column("Largest gap", hint="Largest distance between an answer and the sum that explains it"),
    ]
    rows = [
        [
            Cell(title(model), mark="text"),
            Cell(quantity(found["rows"])),
            Cell(found["unit"], mark="text"),
            Cell(found["features"][0]["name"], mark="text code"),
            value_cell(found["features"][0]["share"], "share"),
            Cell(number(found["stability"]["spearman"], "ratio"), _pairs(found["stability"])),
            Cell(number(found["stability"]["overlap"], "share"), number(found["stability"]["chance"], "share")),
            value_cell(found["stability"]["same_sign"], "share"),
            value_cell(found["gap"], "return squared"),
        ]
        for model, found in models.items()
    ]
    note = " ".join(["Not explained:", *reasons(left_out)]) if left_out else ""
    top = next(iter(models.values()))["stability"]["top"]
    caption = f"Explained models; in common and direction: of the {counted(top, 'largest feature')}"
    return Table(caption, columns, rows, note=note)


def _pairs(stability: Mapping[str, Any]) -> str:
    if stability["spearman"] is None:
        return ""
    return f"{number(stability['low'], 'ratio')} to {number(stability['high'], 'ratio')}"


def _reading(model: str, found: Mapping[str, Any]) -> str:
    what, unit = UNITS[found["unit"]]
    first, steady = found["features"][0], found["stability"]
    said = (
        f"{opening(title(model))}: on {counted(found['rows'], 'out-of-sample row')} {first['name']} moved the {what} "
        f"most, by {number(first['mean'], unit)} on average, {number(first['share'], 'share')} of what all features "
        "moved."
    )
    if steady["spearman"] is None:
        return said
    agree = f"The folds' rankings agree at {number(steady['spearman'], 'ratio')} (Spearman; 1 the same, 0 unrelated)"
    if steady["overlap"] is not None:
        agree += (
            f", and two folds share {percent(round(steady['overlap'], 2))} of their {steady['top']} largest features, "
            f"where chance would give {percent(round(steady['chance'], 2))}"
        )
    return f"{said} {agree}."
