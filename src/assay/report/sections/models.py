"""Model comparison: every metric of every model beside its interval and the strongest baseline."""

from assay.report.comparison import Versus, strongest
from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table, estimate_cell, value_cell
from assay.report.figures.intervals import Estimate, interval_panel
from assay.report.format import MISSING, difference, interval, is_number, number, opening, spelled, title
from assay.report.view import HeadView

_LEDE = (
    "Each dot is a model's value on the common folds, its bar the {} interval from the block bootstrap; diamonds are "
    "ensembles of models. Hollow grey "
    "dots are naive forecasts: baselines, and in classification the volatility-only twin. The dashed line marks the "
    "best of them; an arrow at the edge is a value far outside."
)
_NOTE = (
    "● the {} interval of the difference to the strongest baseline lies wholly on the better side of zero; "
    "○ wholly on the worse side; no sign: the two cannot be told apart. Grey columns: baselines and the twin."
)


def model_comparison(view: HeadView) -> Block:
    """Compare all models of a head on all metrics.

    Args:
        view: The head.

    Returns:
        Panels of the key metrics, the table of all metrics, and the differences to the strongest baseline.
    """
    figures = [_panel(view, metric) for metric in view.key_metrics]
    drawers = [
        Drawer("Differences to the strongest baseline", [_differences(view)]),
        Drawer("All folds instead of the common ones", [_full_span(view)]),
    ]
    if view.twins:
        drawers.append(Drawer("Volatility-only twins of the other models", [_all_metrics(view, view.twins)]))
    return Block(
        f"{view.slug}-models",
        "Models against baselines",
        _LEDE.format(view.confidence),
        reading=_reading(view),
        figures=figures,
        tables=[_all_metrics(view, view.shown), *_left_out(view)],
        more=drawers,
    )


def estimates(view: HeadView, metric: str, models: tuple[str, ...]) -> list[Estimate]:
    """Collect the dots of one metric, in the order of ``models``."""
    return [
        Estimate(
            label=title(model),
            value=found["value"],
            low=found["low"],
            high=found["high"],
            role=view.part(model),
            lead=model == view.lead,
        )
        for model in models
        for found in [view.estimate(model, metric)]
    ]


def best_baseline(view: HeadView, metric: str) -> tuple[str, float] | None:
    """Find the baseline with the best value on a metric; ``None`` if no baseline has one."""
    rivals = [name for name in view.shown if view.role(name) != "model"]
    values = {name: view.estimate(name, metric)["value"] for name in rivals}
    known = {name: value for name, value in values.items() if is_number(value)}
    if not known:
        return None
    best = (min if view.info(metric).lower_is_better else max)(known, key=lambda name: known[name])
    return best, known[best]


def _panel(view: HeadView, metric: str) -> Figure:
    info = view.info(metric)
    best = best_baseline(view, metric)
    svg = interval_panel(
        estimates(view, metric, view.shown),
        unit=info.unit,
        reference=best[1] if best else None,
        slug=f"{view.slug}-panel-{metric}",
        title=f"{info.label}, value and {view.confidence} interval",
    )
    return Figure(info.label, svg, caption="lower is better" if info.lower_is_better else "higher is better")


def _columns(view: HeadView, models: tuple[str, ...]) -> list[Column]:
    named = [Column(title(name), _made_of(view, name), mark=_column_mark(view, name)) for name in models]
    return [Column("Metric", mark="text"), *named]


def _made_of(view: HeadView, model: str) -> str:
    return "ensemble" if view.part(model) == "ensemble" else ""


def _column_mark(view: HeadView, model: str) -> str:
    return "lead" if model == view.lead else "" if view.role(model) == "model" else "quiet"


def _all_metrics(view: HeadView, models: tuple[str, ...]) -> Table:
    rows = [
        [_metric_cell(view, metric), *(_estimate(view, name, metric) for name in models)] for metric in view.metrics
    ]
    caption = f"All metrics on the common folds, with {view.confidence} intervals"
    return Table(caption, _columns(view, models), rows, note=_NOTE.format(view.confidence))


def _metric_cell(view: HeadView, metric: str) -> Cell:
    info = view.info(metric)
    return Cell(info.label, "lower is better" if info.lower_is_better else "", info.definition, "text")


def _estimate(view: HeadView, model: str, metric: str) -> Cell:
    versus = strongest(view, model, metric) if view.role(model) == "model" else None
    mark = f"{_column_mark(view, model)} {_sign(versus, metric)}".strip()
    return estimate_cell(view.estimate(model, metric), view.info(metric).unit, mark=mark)


def _sign(versus: Versus | None, metric: str) -> str:
    if versus is None or metric.startswith("coverage"):  # how often a model calls is neither good nor bad
        return ""
    return "win" if versus.wins else "loss" if versus.loses else ""


def _differences(view: HeadView) -> Table:
    models = tuple(model for model in view.shown if view.role(model) != "baseline")
    rows = [
        [_metric_cell(view, metric), *(_versus_cell(view, strongest(view, model, metric), metric) for model in models)]
        for metric in view.metrics
    ]
    return Table(f"Model minus its strongest baseline, with {view.confidence} interval", _columns(view, models), rows)


def _versus_cell(view: HeadView, versus: Versus | None, metric: str) -> Cell:
    if versus is None:
        return Cell(MISSING, hint="compared with no baseline on this metric")
    unit = view.info(metric).unit
    sub = f"{interval(versus.low, versus.high, unit, points=True)} vs {title(versus.baseline)}"
    return Cell(difference(versus.difference, unit), sub, mark=_sign(versus, metric))


def _left_out(view: HeadView) -> list[Table]:
    """Models and ensembles that took no part, with the reason; nothing where all did."""
    found = {**view.facts.left_out, **view.facts.ensembles["left_out"]}
    if not found:
        return []
    rows = [
        [Cell(title(name), mark="text"), Cell(opening(spelled(reason, view.known)), mark="text prose")]
        for name, reason in found.items()
    ]
    return [Table("Left out of this comparison", [Column("Model", mark="text"), Column("Why", mark="text")], rows)]


def _full_span(view: HeadView) -> Table:
    rows = [
        [
            _metric_cell(view, metric),
            *(value_cell(view.model(name)["full_span"][metric], info.unit) for name in view.shown),
        ]
        for metric in view.metrics
        for info in [view.info(metric)]
    ]
    return Table("All metrics over all test folds, without intervals", _columns(view, view.shown), rows)


def _reading(view: HeadView) -> str:
    info, found = view.info(view.metric), view.estimate(view.lead, view.metric)
    if not is_number(found["value"]):
        return f"{title(view.lead)} has no defined {info.label} on the common folds."
    said = f"{title(view.lead)} reaches {info.label} {number(found['value'], info.unit)}"
    said += f" {interval(found['low'], found['high'], info.unit)}".rstrip()
    versus = strongest(view, view.lead, view.metric)
    return opening(f"{said}.{_judged(versus, info.unit)}")


def _judged(versus: Versus | None, unit: str) -> str:
    if versus is None:
        return ""
    amount = f"{difference(versus.difference, unit)} {interval(versus.low, versus.high, unit, points=True)}".rstrip()
    verdict = "better than" if versus.wins else "worse than" if versus.loses else "not distinguishable from"
    return f" That is {verdict} its strongest baseline, {title(versus.baseline)} (difference {amount})."
