"""Refuses parameters that nothing reads: a mistyped name would change nothing, in silence."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from itertools import accumulate
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from assay.hooks.evidence import is_parameter
from assay.market.errors import ConfigurationError

RUNTIME_NAME = re.compile(r"\$\{runtime_params:\s*([^.,\s}]+)")


class Names:
    """Compares the names of all parameters with those that registered pipelines and configuration files ask for.

    Those given by ``--params`` must be asked for by the run itself: a part of a pipeline would pass them by in silence.
    Within a block that a node asks for, its parameter model refuses unknown names.
    """

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep what knows the parameters and where configuration lies."""
        self._context = context

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Look before the first node runs.

        Raises:
            ConfigurationError: Nothing reads a parameter, or nothing in this run one that was given for it.
        """
        loader = self._context.config_loader
        folder = Path(loader.conf_source)
        asked = _asked()
        # Packed configuration cannot be searched for names, and a node that takes all parameters may read any.
        if "parameters" in asked or not folder.is_dir() or not isinstance(loader, OmegaConfigLoader):
            return
        used = {loader.base_env, loader.env or loader.default_run_env}
        refuse_unknown(self._context.params, asked, runtime_names(folder), used)
        refuse_idle(loader.runtime_params or {}, asked, _asked_by(pipeline))


def _asked() -> set[str]:
    from kedro.framework.project import pipelines

    return {name for pipeline in pipelines.values() for name in _asked_by(pipeline)}


def _asked_by(pipeline: Pipeline) -> set[str]:
    return {name.removeprefix("params:") for name in pipeline.inputs() if is_parameter(name)}


def runtime_names(folder: Path) -> dict[str, set[str]]:
    """Names that the files of each environment read from ``--params``: ``{"files": {"data_dir", "bars"}}``."""
    files = [(env.name, path) for env in folder.iterdir() if env.is_dir() for path in env.rglob("*.yml")]
    names: dict[str, set[str]] = {env: set() for env, _ in files}
    for env, path in files:
        names[env].update(RUNTIME_NAME.findall(path.read_text(encoding="utf-8")))
    return names


def refuse_unknown(
    given: Mapping[str, Any], asked: Collection[str], read: Mapping[str, set[str]], used: Collection[str]
) -> None:
    """Refuse parameters that nothing reads.

    Args:
        given: Parameters as nested values.
        asked: Paths of the parameters and blocks that nodes ask for: ``equity.learning``.
        read: Top-level names that configuration files read, per environment.
        used: Environments of this run.

    Raises:
        ConfigurationError: There is such a parameter; the message names close ones.
    """
    blocks, here = _blocks(asked), {name for env in used for name in read.get(env, ())}
    found = {path: value for path, value in _unread(given, asked, blocks) if path not in here}
    if not found:
        return
    unknown = next(iter(found))
    close = get_close_matches(unknown, sorted(blocks.union(*read.values())), n=3)
    elsewhere = [env for env, names in read.items() if unknown in names]
    raise ConfigurationError(
        f"parameter {unknown}",
        "nothing reads it in this run" if elsewhere else "nothing reads a parameter of this name",
        expected=f"a name such as {', '.join(close)}" if close and not elsewhere else None,
        found=", ".join(f"{path}={value}" for path, value in found.items()),
        do=f"add --env {elsewhere[0]}" if elsewhere else "correct the name; conf/base holds every parameter there is",
    )


def refuse_idle(given: Mapping[str, Any], asked: Collection[str], here: Collection[str]) -> None:
    """Refuse parameters of ``--params`` that no node of this run asks for.

    Args:
        given: Parameters of the command line as nested values, without unknown names.
        asked: Paths of the parameters and blocks that any node asks for.
        here: Those that the nodes of this run ask for.

    Raises:
        ConfigurationError: There is such a parameter.
    """
    found = {path: value for path in sorted(asked) if not _met(path, here) and (value := _at(given, path)) is not None}
    if found:
        raise ConfigurationError(
            f"parameter {next(iter(found))}",
            "no node of this run reads it, so it would change nothing",
            expected=", ".join(sorted(here)) or "no parameters: no node of this run reads any",
            found=", ".join(f"{path}={value}" for path, value in found.items()),
            do="run a stage that reads it, or `assay resume <workload>` with it, which reruns all that it changes",
        )


def _met(path: str, here: Collection[str]) -> bool:
    """Whether this run reads the parameter, a part of it or a block around it."""
    return any(f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.") for other in here)


def _at(given: Any, path: str) -> Any:  # noqa: ANN401
    for key in path.split("."):
        given = given.get(key) if isinstance(given, Mapping) else None
    return given


def _blocks(asked: Collection[str]) -> set[str]:
    return {path for name in asked for path in accumulate(name.split("."), "{}.{}".format)}


def _unread(
    block: Mapping[str, Any], asked: Collection[str], blocks: Collection[str], at: str = ""
) -> Iterator[tuple[str, Any]]:
    """Outermost path and value of each parameter that no node asks for."""
    for key, value in block.items():
        path = f"{at}{key}"
        if path in asked:
            continue
        if path in blocks and isinstance(value, Mapping):
            yield from _unread(value, asked, blocks, f"{path}.")
        else:
            yield path, value
