"""``assay runs``: which runs there were, what they found, what they take up, and how to be rid of old ones."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import click

from assay.commands.project import clear_errors, open_project, require_environment
from assay.market.errors import ConfigurationError

if TYPE_CHECKING:
    from kedro.io import DataCatalog

    from assay.datasets.runs import Archive, Run
    from assay.report.history import Record

ENV = click.option("--env", help="Configuration environment of the runs.")
WORKLOAD = click.option("--workload", "workloads", multiple=True, help="Only this workload; may be given again.")

LARGEST = 10  # outputs of a run that are named
COLUMNS = ("run", "status", "verdict", "declared primary", "direction", "net Sharpe", "took", "wrote")


@click.group()
def runs() -> None:
    """What earlier runs left."""


@runs.command("list")
@click.argument("workloads", nargs=-1)
@ENV
def list_runs(workloads: Sequence[str], env: str | None) -> None:
    """Show the newest runs of all WORKLOADS, newest first."""
    from rich.table import Table

    from assay.console import console
    from assay.history import records

    with clear_errors():
        found = records(open_catalog(env), named(workloads))
    for workload, told in found.items():
        table = Table(title=workload, title_justify="left")
        for name in COLUMNS:
            table.add_column(name, no_wrap=name == "run")
        for record in reversed(told):
            table.add_row(*_row(record))
        console().print(table if told else f"{workload}: no run yet")


def _row(record: "Record") -> Iterator[str]:
    from assay.console import duration
    from assay.report.elements import estimate_cell

    yield from (record.id, record.status, record.level or "", _claim(record))
    for estimate, unit in ((record.judged.direction, ""), (record.judged.sharpe, "ratio")):
        cell = estimate_cell(dict(estimate), unit)
        yield f"{cell.text} {cell.sub}".strip()
    yield duration(record.seconds)
    yield _mebibytes(record.size)


def _claim(record: "Record") -> str:
    return ", ".join(str(record.primary[part]) for part in ("head", "model") if part in record.primary)


@runs.command()
@click.argument("run", default="latest")
@WORKLOAD
@ENV
def show(run: str, workloads: Sequence[str], env: str | None) -> None:
    """Show what RUN was made of, what it found and what it wrote; the latest if none is named."""
    from assay.history import record

    with clear_errors():
        found = runs_named([run], open_catalog(env), workloads)
        for archive, [named_run] in found:
            told = record(archive, named_run)
            for name, text in _about(told, named_run):
                click.echo(f"{name:<12} {text}")
            if report := archive.path("report", named_run):
                click.echo(f"{'report':<12} {report.resolve()}")
            _show_sizes(archive.written(named_run))


def _show_sizes(written: dict[str, int]) -> None:
    largest = sorted(written.items(), key=lambda item: -item[1])
    for name, size in largest[:LARGEST]:
        click.echo(f"{_mebibytes(size):>12} {name}")
    click.echo(f"{_mebibytes(sum(written.values())):>12} in all {len(written)} outputs")


def _about(record: "Record", run: "Run") -> Iterator[tuple[str, str]]:
    about, facts = run.manifest["run"], record.facts
    yield "run", f"{record.id}, {record.status}"
    yield from ((name, str(about[name])) for name in ("started", "finished", "error") if about.get(name))
    yield "code", str(facts["code"]["revision"]) + (" and local changes" if facts["code"]["dirty"] else "")
    yield "parameters", str(facts["parameters"])
    yield from ((f"input {name}", str(value)) for name, value in facts["inputs"].items())
    if record.level:
        yield "verdict", f"{record.level}: {record.headline}"


@runs.command()
@click.argument("workloads", nargs=-1)
@click.option("--keep", type=click.IntRange(min=1), required=True, help="How many runs with a verdict of each to keep.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@ENV
def prune(workloads: Sequence[str], keep: int, env: str | None, *, dry_run: bool) -> None:
    """Delete what only old runs of WORKLOADS (all, if none is named) have left.

    Whatever a kept run sees stays, also what it took over from an older run; so does the newest version of everything.
    Ledgers of trials are never deleted. Safe while a run goes on.
    """
    from assay.history import archive_of, write_index

    with clear_errors():
        catalog = open_catalog(env)
        for workload in named(workloads):
            _prune(archive_of(workload, catalog), keep=keep, dry_run=dry_run)
        if not dry_run:
            write_index(catalog)  # that of before links to reports that are gone


def _prune(archive: "Archive", *, keep: int, dry_run: bool) -> None:
    found = archive.prunable(keep=keep)
    if not dry_run:
        found.delete()
    done = "would be deleted" if dry_run else "deleted"
    what = f"{len(found.runs)} runs, {len(found.files)} files, {_mebibytes(found.size)}"
    click.echo(f"{archive.workload}: {what} {done}")


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def named(workloads: Sequence[str]) -> list[str]:
    """The workloads of these names; all, if there are none.

    Raises:
        click.ClickException: There is no workload of a name.
    """
    from assay.workloads import WORKLOADS

    known = [workload.name for workload in WORKLOADS]
    for name in workloads:
        if name not in known:
            raise click.ClickException(f"there is no workload {name!r}; there are: {', '.join(known)}")
    return list(workloads) or known


def runs_named(
    names: Sequence[str], catalog: "DataCatalog", workloads: Sequence[str]
) -> "list[tuple[Archive, list[Run]]]":
    """The runs of these names, of every workload that has all of them.

    Args:
        names: Id, beginning of an id, or latest.
        catalog: The catalog of the project.
        workloads: Only these workloads; all, if there are none.

    Raises:
        ConfigurationError: No workload has them all; said of the last one.
    """
    from assay.history import archive_of

    found, missing = [], None
    for workload in named(workloads):
        archive = archive_of(workload, catalog)
        try:
            found.append((archive, [archive.find(name) for name in names]))
        except ConfigurationError as error:
            missing = error
    if not found and missing:
        raise missing
    return found


def open_catalog(env: str | None) -> "DataCatalog":
    """The catalog of the project of the current folder."""
    project = open_project()
    require_environment(project, env)
    from kedro.framework.session import KedroSession

    return cast("DataCatalog", KedroSession.create(project, env=env).load_context().catalog)
