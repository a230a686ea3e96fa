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

from assay.hooks.evidence import is_parameter
from assay.market.errors import ConfigurationError

RUNTIME_NAME = re.compile(r"\$\{runtime_params:\s*([^.,\s}]+)")


class Names:
    """Compares the names of all parameters with those that registered pipelines and configuration files ask for.

    Within a block that a node asks for, its parameter model refuses unknown names.
    """

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep what knows the parameters and where configuration lies."""
        self._context = context

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Look before the first node runs.

        Raises:
            ConfigurationError: Nothing reads a parameter.
        """
        loader = self._context.config_loader
        folder = Path(loader.conf_source)
        asked = _asked()
        # Packed configuration cannot be searched for names, and a node that takes all parameters may read any.
        if "parameters" in asked or not folder.is_dir() or not isinstance(loader, OmegaConfigLoader):
            return
        used = {loader.base_env, loader.env or loader.default_run_env}
        refuse_unknown(self._context.params, asked, runtime_names(folder), used)


def _asked() -> set[str]:
    from kedro.framework.project import pipelines

    nodes = {node for pipeline in pipelines.values() for node in pipeline.nodes}
    return {name.removeprefix("params:") for node in nodes for name in node.inputs if is_parameter(name)}


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
    blocks = {path for name in asked for path in accumulate(name.split("."), "{}.{}".format)}
    here = {name for env in used for name in read.get(env, ())}
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
