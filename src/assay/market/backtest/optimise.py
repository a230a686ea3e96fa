"""The sizing chosen anew in every fold, on the books that it would have kept in the folds before."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from assay.market.backtest.performance import portfolio
from assay.market.backtest.policy import Objective, Policy, Search, weights
from assay.market.backtest.sizing import Setting
from assay.market.backtest.tape import Floats
from assay.market.splits import Receipt

if TYPE_CHECKING:
    from datetime import datetime

Keep = Callable[[pl.DataFrame], pl.DataFrame]  # decisions -> ledger
CHOICE = "choice"


def policy_book(predictions: pl.DataFrame, policy: Policy, setting: Setting, *, keep: Keep) -> pl.DataFrame:
    """Size the calls of one model and keep its books.

    Where the policy is optimised, every candidate keeps its own books over all folds. Fold k then follows the candidate
    whose books were best on the bars before its first time: a book's value at t reads prices up to t only, so nothing
    of fold k or later tells in it. A tranche that is still open then counts with what it was worth the bar before.
    The oldest fold has no books before it and follows the sizing as given.

    Args:
        predictions: Out-of-sample predictions of one model; with ``fold`` where the policy is optimised.
        policy: When a prediction is a call, and what it takes.
        setting: Kind of the head, horizon, and the times before.
        keep: Keeps the books of decisions (``entity, time, weight``, and ``exit``, when its label ends).

    Returns:
        Ledger of ``keep``; where the policy is optimised with the column ``choice``, the number of the candidate that
        decides at this time (0 = the sizing as given).
    """
    decided = predictions.select("^(entity|time|label_end)$").rename({"label_end": "exit"}, strict=False)
    sized = [weights(predictions, policy, sizing, setting) for sizing in policy.candidates()]
    if policy.optimise is None:
        return keep(decided.with_columns(sized[0]))
    books = [portfolio(keep(decided.with_columns(weight))) for weight in sized]
    begins = predictions.group_by("fold").agg(pl.col("time").min()).sort("time")
    known = books[0]["time"].search_sorted(begins["time"], side="left").to_list()
    choices = choose(np.stack([book["ret"].to_numpy() for book in books]), known, policy.optimise.objective)
    chosen = predictions["fold"].replace_strict(begins["fold"], choices, return_dtype=pl.Int16).to_numpy()
    weight = np.stack([weight.to_numpy() for weight in sized])[chosen, np.arange(len(chosen))]
    ledger = keep(decided.with_columns(weight=pl.Series(weight)))
    fold = begins["time"].search_sorted(ledger["time"], side="right") - 1
    return ledger.with_columns(pl.Series(choices, dtype=pl.Int16).gather(fold).alias(CHOICE))


def choose(returns: Floats, known: Sequence[int], objective: Objective) -> list[int]:
    """Choose a candidate for each fold from the bars before it.

    Args:
        returns: Net return of each bar, (candidates, bars).
        known: For each fold, the number of bars before it.
        objective: See ``Search``.

    Returns:
        For each fold the candidate with the highest score, the first of equals; 0 where no bar is known.
    """
    choices = []
    for bars in known:
        past = returns[:, :bars]
        if bars < 2:
            choices.append(0)
            continue
        score, deviation = past.sum(axis=1), past.std(axis=1)
        if objective == "sharpe":
            score = np.divide(past.mean(axis=1), deviation, out=np.zeros(len(past)), where=np.ptp(past, axis=1) > 0)
        choices.append(int(score.argmax()))
    return choices


def policy_told(book: pl.DataFrame, policy: Policy, receipts: Sequence[Receipt]) -> dict[str, Any]:
    """Say how positions were sized, and what each fold has chosen on which bars.

    Args:
        book: Ledger of one model.
        policy: Its policy.
        receipts: The folds.

    Returns:
        ``sizing`` (as given), ``said``, ``folds``: per fold ``fold, test_start, bars`` (those it was chosen on, all
        before ``test_start``), ``until`` (the last of them) and ``chosen`` (the values followed); empty where nothing
        is optimised.
    """
    sizing = policy.sizing.model_dump(mode="json")
    if policy.optimise is None:
        return {"sizing": sizing, "said": policy.sizing.said, "folds": []}
    moments = book.group_by("time").agg(pl.col(CHOICE).first()).sort("time")
    told = [_fold_told(moments, policy, policy.optimise, receipt) for receipt in receipts]
    return {"sizing": sizing, "said": f"{policy.sizing.said} {_searched(policy.optimise)}", "folds": told}


def _fold_told(moments: pl.DataFrame, policy: Policy, search: Search, receipt: Receipt) -> dict[str, Any]:
    earlier = moments["time"] < receipt.test_start
    before, followed = moments["time"].filter(earlier), moments[CHOICE].filter(~earlier)
    sizing = policy.candidates()[followed[0] if len(followed) else 0]
    until = cast("datetime", before[-1]).isoformat() if len(before) else None
    return {
        "fold": receipt.fold,
        "test_start": receipt.test_start.isoformat(),
        "bars": len(before),
        "until": until,
        "chosen": {name: getattr(sizing, name) for name in search.grid},
    }


def _searched(search: Search) -> str:
    of = {"sharpe": "Sharpe ratio", "net_return": "net return"}[search.objective]
    return f"{' and '.join(search.grid)} are those with the best {of} on the bars before each fold."
