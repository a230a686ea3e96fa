"""Runs a pickled search and kills its own process in the middle; a test starts it as a script."""

import os
import pickle
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from assay.market import tuning
from assay.market.tuning import identity, trial


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_at_fit(deadly: int) -> None:
    calls, fit = [], trial.fit_model

    def fit_or_die(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == deadly:
            die()
        return fit(*args)

    trial.fit_model = fit_or_die


def main() -> None:
    identity._code = lambda: "as in the test"
    market, plan = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301  written by the test itself
    what, deadly = sys.argv[2], int(sys.argv[3])

    def track(items: Sequence[int], _what: str) -> Iterable[int]:
        for position, item in enumerate(items):
            if what == "trial" and position == deadly:
                die()
            yield item

    if what == "fit":
        dies_at_fit(deadly)
    tuning.tune(*market, plan=plan, track=track)


if __name__ == "__main__":
    main()
