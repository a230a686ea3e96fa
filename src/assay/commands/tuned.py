"""``assay tuned``: what tuning found, written back to configuration as a change that can be reviewed."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.commands.project import clear_errors, open_project, require_environment
from assay.commands.yaml_text import set_values
from assay.market.errors import ConfigurationError

if TYPE_CHECKING:
    from assay.market.models.base import Choice, ModelRule, Range

Values = Mapping[str, Any]
Best = Mapping[str, Mapping[str, Values]]  # by head and model
Params = dict[str, dict[str, "ModelRule"]]


@click.group()
def tuned() -> None:
    """What tuning found."""


@tuned.command()
@click.argument("workload")
@click.option("--head", help="Only this head.")
@click.option("--model", help="Only this model.")
@click.option("--write", is_flag=True, help="Write the file; without it the change is only shown.")
@click.option("--env", help="Configuration environment of the run whose results are taken.")
def apply(workload: str, head: str | None, model: str | None, *, write: bool, env: str | None) -> None:
    """Show the newest best parameters of WORKLOAD as a change of its parameters.yml, and write it if asked to."""
    with clear_errors():
        project = open_project()
        require_environment(project, env)
        path = project / "conf" / "base" / workload / "parameters.yml"
        old = _read(path)
        heads = _chosen("head", list(_models(old, workload)), head)
        best = {name: _only(model, _best_params(project, f"{workload}.{name}", env)) for name in heads}
        new = applied(old, workload, best)
        _show(old, new, path.relative_to(project))
        if write and new != old:
            _write(path, new)
            click.echo(f"written; `assay resume {workload}` makes again what depends on it", err=True)


def applied(text: str, workload: str, best: Best) -> str:
    """Parameters with the best values written in, and nothing else changed.

    What other models take over from a changed block through an alias is pinned to what it was.

    Args:
        text: The parameters of a workload as YAML text.
        workload: Its name, the first key.
        best: By head and model the best values.

    Returns:
        The new text; its parameters are exactly those that were intended.

    Raises:
        ConfigurationError: A model is not there, a value lies outside its own search range, or the text cannot be
            changed to just that effect.
    """
    before = _models(text, workload)
    wanted = {head: dict(models) for head, models in before.items()}
    for head, model, values in _each(best):
        where = f"{workload}.models.{head}.{model}"
        params = wanted[head][_chosen(f"model of head {head}", list(wanted[head]), model)[0]]
        _check_ranges(where, params, values)
        wanted[head][model] = params.with_values(values)
    new = _edited(text, workload, wanted)
    _check_outcome(text, new, workload, wanted)
    return new


def _edited(text: str, workload: str, wanted: Params) -> str:
    """The text with every model set to what it shall be, in the order of the file: aliases after what they repeat."""
    import yaml

    try:
        for head, model, params in _each(wanted):
            present, aim = _models(text, workload)[head][model].model_dump(mode="json"), params.model_dump(mode="json")
            if changed := {name: value for name, value in aim.items() if value != present[name]}:
                text = set_values(text, (workload, "models", head, model), changed)
    except yaml.YAMLError:  # e.g. an anchor went that something else refers to
        raise _too_far(workload) from None
    return text


def _each(nested: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    return ((head, model, value) for head, models in nested.items() for model, value in models.items())


def _models(text: str, workload: str) -> Params:
    """Parameters of all models by head, as the text says them, in its order."""
    from pydantic import ValidationError

    from assay.market.models import ModelParams

    try:
        heads = _parsed(text)[workload]["models"]
        return {
            head: {name: ModelParams.model_validate(block).root for name, block in models.items()}
            for head, models in heads.items()
        }
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise ConfigurationError(
            f"parameters of {workload}",
            "hold no models that can be read",
            expected=f"{workload}.models.<head>.<model> in this file",
            found=error,
            do="correct the file; parameters of other files or environments are never written",
        ) from error


def _parsed(text: str) -> Any:  # noqa: ANN401
    import yaml

    return yaml.safe_load(text)


def _check_ranges(where: str, params: "ModelRule", values: Values) -> None:
    for name, value in values.items():
        span = params.search.get(name)
        if span is None or not _inside(value, span):
            raise ConfigurationError(
                f"{where}.{name}",
                "lies outside its own search range",
                expected="a parameter that is searched" if span is None else span.model_dump(exclude_defaults=True),
                found=value,
                do="tune again with the present ranges, or bring back those it was found in",
            )


def _inside(value: Any, span: "Range | Choice") -> bool:  # noqa: ANN401
    from assay.market.models.base import Choice

    if isinstance(span, Choice):
        return json.dumps(value) in [json.dumps(option) for option in span.options]
    return bool(span.low <= value <= span.high)


def _check_outcome(old: str, new: str, workload: str, wanted: Params) -> None:
    """Make sure that the new text says what was intended: these models, and all else as before."""
    rest = [_parsed(text) for text in (old, new)]
    for parameters in rest:
        del parameters[workload]["models"]
    if rest[0] != rest[1] or _models(new, workload) != wanted:
        raise _too_far(workload)


def _too_far(workload: str) -> ConfigurationError:
    return ConfigurationError(
        f"parameters of {workload}",
        "cannot be changed to just the best values",
        expected="models in blocks of their own, or aliases for exactly such blocks",
        found="a layout in which the change would reach further, or not far enough",
        do="write the values by hand",
    )


def _best_params(project: Path, head: str, env: str | None) -> dict[str, Values]:
    """The newest best values of a head, by model; models that were not tuned are left out."""
    from kedro.framework.session import KedroSession

    name, catalog = f"{head}.best_params", KedroSession.create(project, env=env).load_context().catalog
    if not catalog.exists(name):
        raise ConfigurationError(
            name, "is not there yet", expected="the result of a search", do="run the stage tuning, or the workload"
        )
    found = catalog.load(name)
    return {model: told["values"] for model, told in found.items() if told["values"]}


def _only(model: str | None, best: dict[str, Values]) -> dict[str, Values]:
    return best if model is None else {name: best[name] for name in _chosen("tuned model", list(best), model)}


def _chosen(what: str, known: list[str], name: str | None) -> list[str]:
    if name is not None and name not in known:
        raise ConfigurationError(f"{what} '{name}'", "is not there", expected=" or ".join(known) or "none", found=name)
    return known if name is None else [name]


def _read(path: Path) -> str:
    import yaml

    if not path.is_file():
        raise ConfigurationError(
            str(path), "is not there", expected="the parameters of a workload", do="name a workload that has them there"
        )
    text = path.read_bytes().decode()
    try:
        _parsed(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(str(path), "is no YAML", found=error, do="correct the file") from error
    return text


def _show(old: str, new: str, path: Path) -> None:
    """The change as ``diff -u`` shows it."""
    if new == old:
        click.echo("the configuration holds the best values already", err=True)
        return
    before, after = (text.splitlines(keepends=True) for text in (old, new))
    for line in difflib.unified_diff(before, after, f"a/{path.as_posix()}", f"b/{path.as_posix()}"):
        click.echo(line, nl=not line.endswith("\n"))


def _write(path: Path, text: str) -> None:
    from assay.datasets.files import write_atomic

    write_atomic(path.resolve(), lambda file: file.write(text.encode()))
