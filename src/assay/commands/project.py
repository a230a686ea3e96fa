"""What all commands share: the project they work on, and errors that can be acted on."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from assay.market.errors import AssayError

NO_SUCH_PART = ("Pipeline does not contain", "Pipeline contains no nodes", "Failed to find the pipeline")  # by Kedro
INTERRUPTED = 130  # what shells return after Ctrl-C


def open_project() -> Path:
    """The project of the current folder, ready for sessions.

    Raises:
        click.ClickException: There is none.
    """
    from kedro.utils import find_kedro_project

    project: Path | None = find_kedro_project(Path.cwd())
    if project is None:
        raise click.ClickException(
            f"there is no Kedro project in {Path.cwd()} or above it: change into its folder first"
        )
    # Kedro looks for the log's configuration in the current folder only.
    os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(project / "conf" / "logging.yml"))
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    return project


def require_environment(project: Path, env: str | None) -> None:
    """Refuse the name of a configuration environment that is not there.

    Raises:
        click.ClickException: It is not; with the names that could be meant.
    """
    there = sorted(folder.name for folder in (project / "conf").iterdir() if folder.is_dir())
    if env and env not in there:
        raise click.ClickException(
            f"there is no environment {env!r} in {project / 'conf'}; there are: {', '.join(there)}"
        )


@contextmanager
def clear_errors() -> Iterator[None]:
    """Show errors a user can act on without a traceback; all others keep theirs."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(
            "stopped; `assay resume` with the same options, or for a null check the same command, goes on from here",
            err=True,
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    except Exception as error:
        if message := _message(error):
            raise click.ClickException(message) from error
        raise


def _message(error: BaseException) -> str | None:
    """What a known error says, also from within the errors of Kedro that wrap it."""
    from kedro.validation.exceptions import DataValidationError, ParameterValidationError

    link: BaseException | None = error
    while link is not None:
        if isinstance(link, AssayError):
            return str(link)
        link = link.__cause__
    if isinstance(error, ParameterValidationError):
        return _plain(str(error))
    if isinstance(error, ValueError) and str(error).startswith(NO_SUCH_PART):
        return f"{error}\n  what to do: name a part of what is run; `kedro registry list` names all pipelines"
    return str(error) if isinstance(error, DataValidationError) else None


def _plain(text: str) -> str:
    """What pydantic says, without the names of its classes and of its manual."""
    text = re.sub(r" Failed to instantiate .*: \d+ validation errors? for .*", "", text)
    text = re.sub(r"\n +For further information visit .*", "", text)
    text = text.replace("Extra inputs are not permitted", "there is no such parameter").replace("Value error, ", "")
    return re.sub(r" \[type=\w+, input_value=(.*), input_type=\w+\]", r"\n  found: \1", text)
