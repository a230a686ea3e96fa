"""The command ``assay explain``: why a model gave one answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.commands.project import clear_errors, open_project

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol

    from assay.market.explanation import Prediction
    from assay.market.workload import Head

FORMATS = ("svg", "png")
BLOCKS = 24  # width of the longest bar in the terminal


@dataclass(frozen=True)
class Asked:
    """Whose answer is explained: all names are known, the time is that of a row.

    Attributes:
        head: Workload and head, e.g. ``equity.signal``.
        model: Name of the model.
        entity: Name of the entity.
        time: When it was decided.
        fold: Fold that tests the row; None outside all test folds.
    """

    head: str
    model: str
    entity: str
    time: datetime
    fold: int | None

    @property
    def name(self) -> str:
        """What a file about it is called."""
        words = (self.head, self.model, self.entity, f"{self.time:%Y-%m-%dT%H%M}")
        return "_".join(re.sub(r"[^\w.-]", "-", word) for word in words)

    @property
    def sentence(self) -> str:
        """What is explained, in one line."""
        return f"{self.head}, {self.model}: {self.entity} at {self.time:%Y-%m-%d %H:%M} UTC"


def _when(_context: click.Context, _option: click.Parameter, text: str) -> date:
    """A date, or a time in UTC."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time in ISO form, such as 2014-03-05 or 2014-03-05T21:00") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _picture(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    if path and path.suffix.lower().removeprefix(".") not in FORMATS:
        raise click.BadParameter(f"{path.name!r} must end with .svg or .png")
    return path


@click.command()
@click.argument("workload")
@click.argument("head")
@click.argument("entity")
@click.argument("time", callback=_when)
@click.option("--model", help="Which model; the one that the declared claim is about, unless given.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), callback=_picture, help="Picture: .svg or .png."
)
@click.option("--top", type=click.IntRange(min=1), default=12, show_default=True, help="Features that are told.")
def explain(workload: str, head: str, entity: str, time: date, **options: Any) -> None:  # noqa: ANN401  as click gives them
    """Say why the model of HEAD of WORKLOAD answered as it did for ENTITY at TIME.

    TIME is in ISO form; without a zone it is UTC, and a date alone is enough where it has one row. A row of a test fold
    is explained by the model of that fold, which had not seen it.
    """
    with clear_errors():
        place = _known_head(workload, head)
        asked, prediction = _explained(_open_catalog(), place, (entity, time), options["model"])
    out = options["out"] or Path(f"{asked.name}.svg")
    _tell(asked, prediction, options["top"])
    _draw(asked, prediction, out, count=options["top"])
    click.echo(f"picture: {out}")


def _open_catalog() -> "CatalogProtocol[Any, Any]":
    from kedro.framework.session import KedroSession

    return KedroSession.create(open_project()).load_context().catalog


def _known_head(workload: str, head: str) -> tuple[str, "Head"]:
    from assay.workloads import WORKLOADS

    heads = {one.name: {head.name: head for head in one.heads} for one in WORKLOADS}
    _require("workload", workload, list(heads))
    _require(f"head of {workload}", head, list(heads[workload]))
    return workload, heads[workload][head]


def _explained(
    catalog: "CatalogProtocol[Any, Any]", place: tuple[str, "Head"], row: tuple[str, date], model: str | None
) -> tuple[Asked, "Prediction"]:
    from assay.market.explanation import explain_prediction, find_row, fold_of
    from assay.market.plan import Plan
    from assay.market.recipe import open_recipe
    from assay.market.walk_forward import fold_bundle

    (workload, head), nouns = place, f"{place[0]}.{place[1].name}"
    name = _known_model(catalog, workload, head, model)
    plan = Plan.model_validate(catalog.load(f"{nouns}.plan"))
    features, _ = plan.open(catalog.load(f"{nouns}.model_input"))
    rows = find_row(features, *row)
    time: datetime = features.filter(rows)["time"][0]
    fold = fold_of(plan.receipts, time)
    bundle = catalog.load(f"{nouns}.{name}.{'fold_models' if fold else 'model'}")
    files = fold_bundle(bundle, fold) if fold else bundle
    found = explain_prediction(open_recipe(files, feature_set_id=plan.feature_set_id), features, rows)
    if found is None:
        raise click.ClickException(f"{name} reads no features, so there is nothing to explain")
    return Asked(nouns, name, row[0], time, fold), found


def _known_model(catalog: "CatalogProtocol[Any, Any]", workload: str, head: "Head", model: str | None) -> str:
    """The model that was asked for, else the one that decides in the head, else the first that is there."""
    left_out: Mapping[str, str] = catalog.load(f"{workload}.{head.name}.left_out")
    there = [name for name in head.contenders if name not in left_out]
    if model and model in left_out:
        raise click.ClickException(f"{model} took part in no fit: {left_out[model]}\n  there are: {', '.join(there)}")
    if model:
        _require(f"model of {workload}.{head.name}", model, there)
        return model
    from assay.market.primary import Primary

    primary = Primary.model_validate(catalog.load(f"params:{workload}.primary"))
    return next(name for name in (primary.decides(head.name), *there) if name in there)


def _require(thing: str, name: str, there: Sequence[str]) -> None:
    if name not in there:
        close = get_close_matches(name, there, n=1)
        meant = f", did you mean {close[0]!r}?" if close else ";"
        raise click.ClickException(f"there is no {thing} {name!r}{meant} there are: {', '.join(there)}")


def _tell(asked: Asked, prediction: "Prediction", count: int) -> None:
    """The largest parts as a table, between what is expected and what was answered."""
    from assay.report.figures.shap_waterfall import waterfall_steps
    from assay.report.figures.shap_words import UNITS
    from assay.report.format import difference, number

    what, unit = UNITS[prediction.unit]
    steps = waterfall_steps(prediction, count)
    largest = max((abs(step.end - step.start) for step in steps), default=0.0) or 1.0
    wide = max(len(step.label) for step in steps)
    click.echo(f"{asked.sentence}\n{_vouched(asked)}\n\n{_answered(prediction)}\n\n{what}")
    click.echo(f"{number(prediction.base, unit):>10}  expected")
    for step in steps:
        added = step.end - step.start
        bar = ("+" if added > 0 else "-") * round(BLOCKS * abs(added) / largest)
        click.echo(f"{difference(added, unit):>10}  {step.label:<{wide}}  {bar}".rstrip())
    click.echo(f"{number(prediction.total, unit):>10}  answer\n")


def _vouched(asked: Asked) -> str:
    if asked.fold:
        return f"out of sample: fold {asked.fold} tests this row, and its model had not seen it"
    return (
        "NOT out of sample: no fold tests this row, so it is explained by the final model, which saw all labelled rows"
    )


def _answered(prediction: "Prediction") -> str:
    from assay.report.format import number

    unit = "return" if "forecast" in prediction.answer else "share"
    return ", ".join(f"{name} {number(value, unit)}" for name, value in prediction.answer.items())


def _draw(asked: Asked, prediction: "Prediction", out: Path, *, count: int) -> None:
    from assay.datasets.files import write_atomic
    from assay.report.figures.shap_waterfall import waterfall_picture

    kind: Any = out.suffix.lower().removeprefix(".")
    told = "out of sample" if asked.fold else "not out of sample"
    title = (asked.sentence, f"{_answered(prediction)} ({told})")
    picture = waterfall_picture(prediction, title=title, count=count, kind=kind)
    try:
        write_atomic(out, lambda file: file.write(picture))
    except OSError as error:
        raise click.ClickException(
            f"{out}: cannot be written ({error.strerror}); name another file with --out"
        ) from error
