"""What a workload is: a name, heads that predict, feeds that inform, and how its data come in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from assay.market.errors import ConfigurationError

Kind = Literal["classification", "regression", "binary"]  # binary: second-stage fits only


@dataclass(frozen=True)
class Head:
    """One thing to predict.

    Attributes:
        name: Name in datasets and parameters, e.g. ``signal``.
        kind: ``classification`` (SHORT / NEUTRAL / LONG) or ``regression`` (forward return, or the change of a feed).
        models: Names of the models that are tuned and compared.
        baselines: Names of the models that every result is held against; never tuned.
        traded: Whether a position earns what is predicted; without it there are no books, and no claim is judged.
    """

    name: str
    kind: Kind
    models: tuple[str, ...]
    baselines: tuple[str, ...]
    traded: bool = True

    @property
    def contenders(self) -> tuple[str, ...]:
        """All models of this head, baselines last."""
        return (*self.models, *self.baselines)


@dataclass(frozen=True)
class Workload:
    """What differs between one market and the next.

    Attributes:
        name: First part of every dataset, node and parameter of the workload.
        heads: What it predicts.
        ingestion: Builds its ingestion template (a ``kedro`` pipeline with short names).
        feeds: Names of the feed datasets that ingestion joins to the bars.
        funding: Name of the feed that holds funding settlements, if positions pay funding.
        out_of_the_box: Whether a bare ``kedro run`` includes it.
    """

    name: str
    heads: tuple[Head, ...]
    ingestion: Callable[[], object]
    feeds: tuple[str, ...] = ()
    funding: str | None = None
    out_of_the_box: bool = False

    def head_of(self, kind: Kind) -> str:
        """Name of the first traded head of a kind.

        Raises:
            ConfigurationError: The workload has no such head.
        """
        for head in self.heads:
            if head.kind == kind and head.traded:
                return head.name
        raise ConfigurationError(f"workload '{self.name}'", f"has no {kind} head", found=[h.name for h in self.heads])
