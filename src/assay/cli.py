"""The command ``assay``: ``kedro run`` for people with data of their own, and runs that go on where they stopped."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import click

from assay.commands.compare import compare
from assay.commands.explain import explain
from assay.commands.project import clear_errors, open_project, require_environment
from assay.commands.runs import runs
from assay.commands.tuned import tuned

Command = Callable[..., None]


@click.group()
def main() -> None:
    """Honest machine learning on market data."""


class _ForKedro(click.Group):
    """Commands that Kedro adds to its own, before which it asks here: its ``run`` is answered with clear errors."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name: for ``run`` Kedro's own, whose errors are shown clearly."""
        if cmd_name != "run":
            return super().get_command(ctx, cmd_name)
        from kedro.framework.cli.project import run as kedro_run

        command = copy.copy(kedro_run)
        command.callback = clear_errors()(cast("Command", kedro_run.callback))
        command.params = [_with_lists(option) for option in kedro_run.params]
        return command


cli = _ForKedro("Assay")  # the name that Kedro looks for


def _with_lists(option: click.Parameter) -> click.Parameter:
    """Kedro's ``--params`` cuts lists at their commas: it is read here instead. Other options are as they were."""
    if option.name != "params":
        return option
    reader = copy.copy(option)
    reader.callback = _parse
    return reader


def _parse(_context: click.Context, _option: click.Parameter, text: str | dict[str, Any]) -> dict[str, Any]:
    """``a.b=1,c=[x,y]`` as nested values, typed as YAML would; values that are parsed already stay."""
    from omegaconf import OmegaConf

    if isinstance(text, dict):
        return text
    items = [item.strip() for item in _cut(text) if item.strip()]
    for item in items:
        if not item.partition("=")[0].strip() or "=" not in item:
            raise click.BadParameter(f"{item!r} is not of the form name=value")
    values: dict[str, Any] = OmegaConf.to_container(OmegaConf.from_dotlist(items))  # type: ignore[assignment]
    return values


def _cut(text: str) -> list[str]:
    """Text cut at its commas, but not at those within brackets or braces."""
    items, depth = [""], 0
    for sign in text:
        depth = max(0, depth + (sign in "[{") - (sign in "]}"))
        if sign == "," and not depth:
            items.append("")
        else:
            items[-1] += sign
    return items


def _options(command: Command) -> Command:
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    for option in (
        click.option("--params", callback=_parse, default="", help="Parameters to change: a.b=1,c=[x,y]."),
        click.option("--features", type=click.IntRange(min=1), help="How many features to choose for a fit."),
        click.option("--days", type=click.IntRange(min=1), help="Only the newest days of the data."),
        click.option("--symbol", multiple=True, help="Only this symbol; may be given again for more."),
        click.option("--profile", help="How much a run does: quick or full."),
        click.option("--env", help="Configuration environment under conf/; with --data it is `files`."),
        click.option("--data", type=folder, help="Folder with your own data; docs/workloads says how it looks."),
    ):
        command = option(command)
    return command


@main.command()
@click.argument("workload")
@_options
def run(workload: str, data: Path | None, env: str | None, **asked: Any) -> None:  # noqa: ANN401  as click gives them
    """Run all stages of WORKLOAD, or one stage of the workloads that run out of the box."""
    _run([workload], data=data, env=env, params=_wanted([workload], **asked))


@main.command()
@click.argument("workloads", nargs=-1)
@_options
def resume(workloads: Sequence[str], data: Path | None, env: str | None, **asked: Any) -> None:  # noqa: ANN401
    """Go on after a stop or a change: rerun exactly what is missing, damaged or made of other inputs.

    Give the options of the run that is resumed; other parameters or data make outputs stale.
    """
    _run(list(workloads), data=data, env=env, params=_wanted(workloads, **asked), only_missing_outputs=True)


def _wanted(
    workloads: Sequence[str],
    *,
    params: dict[str, Any],
    profile: str | None,
    **block: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """The parameters that the options stand for; those of ``--params`` win."""
    from omegaconf import OmegaConf

    names = {
        "symbol": "ingestion.symbols",
        "days": "ingestion.days",
        "features": "learning.selection.features",
    }
    given = {names[name]: value for name, value in block.items() if value}
    if given and not workloads:
        raise click.UsageError(f"--{', --'.join(name for name in block if block[name])}: name the workload it is for")
    wanted = OmegaConf.create({"profile": profile} if profile else {})
    for workload in workloads:
        for path, value in given.items():
            OmegaConf.update(wanted, f"{workload}.{path}", list(value) if isinstance(value, tuple) else value)
    values: dict[str, Any] = OmegaConf.to_container(OmegaConf.merge(wanted, params))  # type: ignore[assignment]
    return values


cli.add_command(resume)


main.add_command(compare)
main.add_command(explain)
main.add_command(runs)
main.add_command(tuned)


@main.command()
@click.argument("target", type=click.Path(file_okay=False, path_type=Path), default="build/lineage")
def lineage(target: Path) -> None:
    """Build the lineage as a static site in TARGET, ready to publish: it names no folder of this machine."""
    from assay.lineage import build_lineage

    site = target.resolve()
    with clear_errors():
        build_lineage(open_project(), site)
    click.echo(f"lineage: {site / 'index.html'} (serve the folder: python -m http.server -d {target})")


def _run(
    pipelines: list[str],
    *,
    data: Path | None,
    env: str | None,
    params: dict[str, Any],
    only_missing_outputs: bool = False,
) -> None:
    if data:
        env, params = env or "files", params | {"data_dir": str(data.resolve())}
    with clear_errors():
        project = open_project()
        from kedro.framework.session import KedroSession
        from kedro.runner import SequentialRunner

        _require_pipelines(pipelines)
        require_environment(project, env)
        if data:
            _require_sources(project / "conf" / str(env), pipelines)
        session = KedroSession.create(project, env=env, runtime_params=params)
        with session:
            session.run(
                pipeline_names=pipelines or None, runner=SequentialRunner(), only_missing_outputs=only_missing_outputs
            )


def _require_pipelines(names: Sequence[str]) -> None:
    from kedro.framework.project import pipelines

    for name in names:
        if name not in pipelines:
            raise click.ClickException(f"there is no pipeline {name!r}; there are: {', '.join(sorted(pipelines))}")


def _require_sources(environment: Path, names: Sequence[str]) -> None:
    """Refuse a folder of data that a workload would not read: it would run on its own data without a word."""
    import yaml

    catalogs = (yaml.safe_load(path.read_text()) or {} for path in environment.rglob("catalog*.yml"))
    readers = sorted({str(entry).split(".")[0] for catalog in catalogs for entry in catalog})
    for name in names or [""]:
        if name not in readers:
            who, here = repr(name) if name else "a run without the name of a workload", f"conf/{environment.name}"
            raise click.ClickException(
                f"{who} does not read your folder; by {here} these do: {', '.join(readers) or 'none'}"
            )
