"""What is written down of every configuration whose out-of-sample result was computed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import polars as pl
from pydantic import BaseModel

from assay.market.backtest import portfolio
from assay.market.ensembles.rules import EnsembleRules
from assay.market.plan import Learning, Plan
from assay.market.primary import Primary
from assay.market.trials.packing import RETURN, pack, pack_times

NAIVE = ("class_prior", "zero", "drift", "last_sign")
HOW_FAST = {"threads", "processes"}  # change how long a fit takes, not what is tried
JUDGED_BY = {"seed", "confidence", "replications"}  # of rules: they change no trade

Document = dict[str, Any]


def configurations(
    plan: Plan,
    *,
    best_params: Mapping[str, Mapping[str, Any]],
    ensembles: EnsembleRules,
    primary: Primary,
    rules: Mapping[str, BaseModel | None],
) -> dict[str, Document]:
    """Say what each contender of a head is, as it was configured before any result was seen.

    Args:
        plan: Plan of the head.
        best_params: By tuned model ``params``, its parameters from configuration, search ranges included.
        ensembles: The ensembles of the head.
        primary: The declared claim.
        rules: What else decides what is predicted and how it is traded, by name, e.g. ``labels``, ``backtest`` and
            ``calibration``; None = not of this head.

    Returns:
        By contender (models, baselines, ensembles) ``configuration``, a hash of all that follows but ``role`` and
        ``declared``: ``model, parameters, head, horizon, execution, feature_set_id, learning, rules``. Tuned values,
        the span of the data and the result are no part of it, so that a rerun on more data is the same configuration.
        Left out as well is what changes no result: the other profiles, numbers of threads and processes, how a
        backtest is judged. ``declared``: whether the claim is about this one.
    """
    shared = {
        "head": plan.head,
        "horizon": plan.horizon,
        "execution": plan.execution.model_dump(mode="json"),
        "feature_set_id": plan.feature_set_id,
        "learning": _learning(plan.learning),
        "rules": {name: rule.model_dump(mode="json", exclude=JUDGED_BY) for name, rule in rules.items() if rule},
    }
    parameters = _parameters(plan, best_params, ensembles)
    told = {name: {"model": name, "parameters": chosen, **shared} for name, chosen in parameters.items()}
    return {
        name: {
            "configuration": _hash(tried),
            **tried,
            "role": plan.roles.get(name, "model"),
            "declared": (plan.head, name) == (primary.head, primary.model),
        }
        for name, tried in told.items()
    }


def outer_trials(ledger: pl.DataFrame, configured: Mapping[str, Mapping[str, Any]]) -> list[Document]:
    """Record every configuration whose out-of-sample result was computed.

    Args:
        ledger: Ledger of all models; books that are no contender, like buying and holding, are no trials.
        configured: What `configurations` gave.

    Returns:
        One record per contender in the ledger: ``id`` (hash of what was tried and of what came out, so that a replay is
        no new record), ``scope`` outer, what `configurations` says of it, ``span`` (first and last time), ``bars``, and
        packed (see `packing`) ``net_returns``, per bar on the capital of the book, and ``times``.
    """
    books = ledger.partition_by("model", as_dict=True, maintain_order=True)
    there = {str(key[0]): book for key, book in books.items() if key[0] in configured}
    return [_sealed(configured[name], portfolio(book)) for name, book in there.items()]


def _parameters(
    plan: Plan, best_params: Mapping[str, Mapping[str, Any]], ensembles: EnsembleRules
) -> dict[str, Document]:
    """Parameters of every contender that takes part; those of an ensemble hold those of its members."""
    left_out = plan.learning.profiles[plan.learning.profile].leave_out
    tuned = {name: _trimmed(found["params"]) for name, found in best_params.items()}
    parameters: dict[str, Document] = {name: tuned.get(name, {}) for name in plan.roles if name not in left_out}
    for name, rule in ensembles.root.items():
        members = {member: parameters[member] for member in rule.reads if member in parameters}
        if members:
            parameters[name] = {**_trimmed(rule.model_dump(mode="json")), "members": members}
    return parameters


def _learning(learning: Learning) -> Document:
    fixed = {"profile", "profiles", "seeds"}  # seeds: refits that judge the primary, no contenders
    budget = learning.tuning.model_dump(mode="json")
    return {**learning.model_dump(mode="json", exclude=fixed), "tuning": _trimmed(budget)}


def _trimmed(parameters: Mapping[str, Any]) -> Document:
    """Without what changes how long a fit takes, also of a model inside an ensemble."""
    return {
        name: _trimmed(value) if isinstance(value, Mapping) else value
        for name, value in parameters.items()
        if name not in HOW_FAST
    }


def _sealed(configured: Mapping[str, Any], book: pl.DataFrame) -> Document:
    returns = book["ret"].to_numpy().astype(RETURN)  # single precision: a replay may add up in another order
    times = book["time"].dt.epoch("us").to_numpy()
    told = {
        **configured,
        "span": [book["time"][0].isoformat(), book["time"][-1].isoformat()],
        "bars": book.height,
    }
    # Of the values, not of the packed string: another zlib may pack the same values differently.
    outcome = hashlib.sha256(returns.tobytes() + times.tobytes()).hexdigest()
    packed = {"net_returns": pack(returns), "times": pack_times(times)}
    return {"id": _hash({**told, "outcome": outcome}), "scope": "outer", **told, **packed}


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
