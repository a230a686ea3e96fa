"""What all runs of the project left, read for people: records of runs, and the index page over them."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kedro.io import DataCatalog

from assay.datasets.files import write_atomic
from assay.datasets.runs import Archive, Run
from assay.market.evaluation import DIRECTION
from assay.report.history import Record, Scores, build_index

log = logging.getLogger(__name__)

INDEX = "index.html"
REPORTS = 3  # folders from a report up to that of all reports: version, file name, workload
NEWEST = 50  # runs of a workload that a page or a list looks at


def archive_of(workload: str, catalog: DataCatalog) -> Archive:
    """The versioned outputs of a workload, those of its null check included."""
    from kedro.framework.project import pipelines

    made = pipelines[workload].all_outputs()
    return Archive(workload, catalog, [name for name in made if name.startswith(f"{workload}.")])


def archives(catalog: DataCatalog) -> dict[str, Archive]:
    """The archives of all workloads, by name."""
    from assay.workloads import WORKLOADS

    return {workload.name: archive_of(workload.name, catalog) for workload in WORKLOADS}


def record(archive: Archive, run: Run) -> Record:
    """What a run was made of and found; of what it did not write itself, or what is damaged, nothing."""
    written, about = archive.written(run), run.manifest["run"]
    known = {"id": run.id, "status": _status(run), "seconds": about["seconds"], "facts": run.manifest["facts"]}
    bare = Record(**known, size=sum(written.values()))
    if f"{archive.workload}.summary" not in written:
        return bare
    try:
        return _judged(bare, archive, run, archive.read("summary", run))
    except (KeyError, TypeError, AttributeError):
        log.warning(
            "run %s of %s: summary, metrics or backtest is damaged, so its verdict is not shown; another run of the "
            "same code, parameters and data writes them again",
            run.id,
            archive.workload,
        )
        return bare


def _status(run: Run) -> str:
    return f"{run.status}: {run.part}" if run.part else run.status


def _judged(bare: Record, archive: Archive, run: Run, summary: Mapping[str, Any]) -> Record:
    primary, verdict = summary["primary"], summary["verdict"]
    heads = {name: archive.read(f"{name}.metrics", run) for name in archive.heads()}
    metrics = heads.get(primary["head"]) or {}
    return Record(
        **{name: getattr(bare, name) for name in ("id", "status", "seconds", "size", "facts")},
        level=verdict["level"],
        headline=verdict["headline"],
        primary=primary,
        label=metrics.get("metric_info", {}).get(primary["metric"], {}).get("label", ""),
        scores={name: _scores(found, archive.read(f"{name}.backtest", run)) for name, found in heads.items() if found},
        rows=metrics.get("rows"),
        span=tuple(metrics.get("span", ())),
        report=_report(archive, run),
    )


def _scores(metrics: Mapping[str, Any], backtest: Mapping[str, Any] | None) -> dict[str, Scores]:
    """Scores of the models of a head; nothing of a head that took no part."""
    books = (backtest or {}).get("models", {})
    return {
        name: Scores(
            model["metrics"][DIRECTION[metrics["kind"]]],
            books[name]["performance"]["sharpe"] if name in books else Scores().sharpe,
        )
        for name, model in metrics.get("models", {}).items()
        if model["role"] != "volatility_only"
    }


def _report(archive: Archive, run: Run) -> str | None:
    """Where the report of a run lies, relative to the folder of all reports."""
    path = archive.path("report", run)
    return path.relative_to(path.parents[REPORTS]).as_posix() if path else None


def records(catalog: DataCatalog, names: Iterable[str] | None = None) -> dict[str, list[Record]]:
    """Records of the newest runs of each workload, oldest first.

    Args:
        catalog: The catalog of the project.
        names: Only these workloads; None: all.
    """
    found = archives(catalog)
    return {name: [record(found[name], run) for run in found[name].runs()[-NEWEST:]] for name in names or found}


def write_index(catalog: DataCatalog) -> Path | None:
    """Write the index page beside the folders of the workloads' reports.

    Returns:
        Where it lies; None where there is no report to put it beside.
    """
    found = archives(catalog)
    reports = [path for archive in found.values() for run in archive.runs() if (path := archive.path("report", run))]
    if not reports:
        return None
    target = reports[-1].parents[REPORTS] / INDEX
    page = build_index(records(catalog)).encode()
    write_atomic(target, lambda file: file.write(page))
    return target
