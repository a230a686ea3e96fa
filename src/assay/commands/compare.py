"""``assay compare``: what differs between two runs, in and out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.commands.project import clear_errors
from assay.commands.runs import ENV, WORKLOAD, open_catalog, runs_named

if TYPE_CHECKING:
    from assay.report.elements import Table


@click.command()
@click.argument("before")
@click.argument("after", default="latest")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the comparison as a page, too.")
@WORKLOAD
@ENV
def compare(before: str, after: str, html: Path | None, workloads: Sequence[str], env: str | None) -> None:
    """Compare run AFTER (the latest, if it is not named) with run BEFORE, in every workload that has both.

    A run is named by its id, by the beginning of it, or as latest.
    """
    from assay.console import console
    from assay.datasets.files import write_atomic
    from assay.history import record
    from assay.report.history import build_comparison, difference_tables

    with clear_errors():
        found = runs_named([before, after], open_catalog(env), workloads)
        pairs = {archive.workload: tuple(record(archive, run) for run in runs) for archive, runs in found}
    for workload, pair in pairs.items():
        console().rule(workload, align="left")
        for table in difference_tables(*pair):
            console().print(_as_text(table))
    if html:
        page = build_comparison(pairs).encode()
        try:
            write_atomic(html.resolve(), lambda file: file.write(page))
        except OSError as error:
            raise click.ClickException(f"{html}: the page cannot be written there: {error.strerror}") from error
        click.echo(f"page: {html.resolve()}")


def _as_text(table: "Table") -> object:
    from rich.table import Table as Grid

    headings = [f"{column.label}\n{column.sub}".strip() for column in table.columns]
    grid = Grid(*headings, title=table.caption, title_justify="left")
    for row in table.rows:
        grid.add_row(*(f"{cell.text} {cell.sub}".strip() for cell in row))
    grid.caption = table.note or None
    return grid
