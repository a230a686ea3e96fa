"""The audit in whole: every parameter is read, and every test answers in its own case."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.audit import AuditRule, Evidence, admit, audit_features
from assay.market.audit.canaries import CANARIES, check_canaries, with_canaries
from assay.market.audit.recompute import check_listing
from assay.market.audit.subject import Subject
from assay.market.audit.universe import check_universe
from assay.market.audit.warm_up import BEYOND, Memory, check_warm_up, measure_memory
from assay.market.errors import LeakError

C = pl.col("close")
RETURN, NEXT = C / C.shift(1) - 1, C.shift(-1) / C - 1
SMALL: dict[str, Any] = {"cuts": 1, "perturbations": 1, "event_cuts": 1, "random_cuts": 0, "passes": 1}


class Counted:
    """A feature function that knows how often it was called."""

    def __init__(self, **columns: pl.Expr) -> None:
        self.columns, self.calls = columns or {"r": RETURN.over("entity")}, 0

    def __call__(self, panel: pl.DataFrame) -> pl.DataFrame:
        self.calls += 1
        return panel.select("entity", "time", **self.columns)


def calls(panel: pl.DataFrame, **limits: Any) -> int:
    function = Counted()
    audit_features(panel, function, rule=AuditRule(**SMALL | limits))
    return function.calls


@pytest.mark.parametrize(
    ("name", "values", "more"), [("cuts", (1, 6), 5), ("perturbations", (1, 4), 3), ("passes", (1, 3), 2)]
)
def test_the_budget_is_spent(name: str, values: tuple[int, int], more: int, market: Any) -> None:
    panel, rich = market(0), {"event_cuts": 50, "random_cuts": 500}
    low, high = (calls(panel, **rich | {name: value}) for value in values)
    assert high - low == more


def test_events_and_random_times_are_as_many_as_the_rule_says(market: Any, test_of: Any) -> None:
    rule = AuditRule(event_cuts=7, random_cuts=11)
    told = test_of(audit_features(market(0), Counted(), rule=rule), "A3")["procedure"]
    assert "day ends 7 of" in told
    assert "random times 11" in told
    assert "The 3 timestamps that follow" in told
    assert (
        "random" not in test_of(audit_features(market(0), Counted(), rule=AuditRule(random_cuts=0)), "A3")["procedure"]
    )


def rare(*rows: int, ahead: int = 1) -> pl.Expr:
    here = pl.int_range(pl.len()).is_in(list(rows))
    return pl.when(here.over("entity")).then((C.shift(-ahead) / C).over("entity")).otherwise(0.0)


def verdict_of(panel: pl.DataFrame, name: str, function: Callable[..., Any], **limits: Any) -> str:
    document = audit_features(panel, function, rule=AuditRule(**limits))
    return next(feature["verdict"] for feature in document["features"] if feature["name"] == name)


@pytest.mark.parametrize(("reach", "verdict"), [(9, "FAIL"), (8, "NONE FOUND")])
def test_the_reach_decides_how_far_ahead_rows_are_taken_away(
    reach: int, verdict: str, market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.market.audit.rare.events", lambda *_: {"the event": np.array([300])})
    panel = market(0).filter(pl.col("entity") == "E0")
    times = panel["time"]
    peek = pl.when(pl.col("time") == times[300]).then(C.filter(pl.col("time") == times[309]).first()).otherwise(0.0)
    limits = {"cuts": 1, "perturbations": 1, "random_cuts": 0, "reach": reach}
    assert verdict_of(panel, "peek", Counted(peek=peek), **limits) == verdict


def test_trials_bound_what_suspicions_cost(market: Any) -> None:
    panel = market(0).filter(pl.col("entity") == "E0")
    peeks = {f"peek {row}": rare(row) for row in (100, 200, 300, 400)}
    guilty = []
    for trials in (3, 30):
        document = audit_features(panel, Counted(**peeks), rule=AuditRule(cuts=1, perturbations=1, trials=trials))
        guilty.append(sum(feature["verdict"] == "FAIL" for feature in document["features"]))
    assert guilty[0] < guilty[1] == 4


def test_differences_within_the_tolerance_are_none(market: Any) -> None:
    whisper = Counted(r=(RETURN + 1e-6 * C.last()).over("entity"))
    assert verdict_of(market(0), "r", whisper, **SMALL) == "FAIL"
    assert verdict_of(market(0), "r", whisper, **SMALL, tolerance=0.1) == "NONE FOUND"


def test_the_seed_moves_the_cuts_and_nothing_else_does(market: Any) -> None:
    leak = Counted(peek=NEXT.over("entity"))
    documents = [audit_features(market(0), leak, rule=AuditRule(**SMALL, seed=seed)) for seed in (0, 0, 1)]
    said = [document["features"][0]["failures"][0]["said"] for document in documents]
    assert said[0] == said[1] != said[2]
    assert documents[0] == documents[1]


def test_leaks_stop_training_unless_they_are_allowed(market: Any) -> None:
    leak = Counted(peek=NEXT.over("entity"))
    with pytest.raises(LeakError, match=r"(?s)peek.*A1 Truncation"):
        admit(audit_features(market(0), leak))
    allowed = audit_features(market(0), leak, rule=AuditRule(allow_leaks=True))
    assert (allowed["verdict"], allowed["allowed"]) == ("FAIL", True)
    assert allowed["said"].startswith("Leaks found by A1, A2")
    admit(allowed)


def test_the_document_is_json_and_knows_no_canary(market: Any) -> None:
    document = audit_features(market(0), Counted(peek=NEXT.over("entity")))
    told = json.dumps(document, allow_nan=False)
    assert "__canary" not in told
    assert [feature["name"] for feature in document["features"]] == ["peek"]
    assert [test["id"] for test in document["tests"]] == [
        *("A0", "A1", "A2", "A3", "L", "A5", "A12", "A6", "S", "A8", "A10", "A11")
    ]


def test_a_function_that_is_not_the_same_twice_fails(market: Any, test_of: Any) -> None:
    state = {"calls": 0}

    def restless(panel: pl.DataFrame) -> pl.DataFrame:
        state["calls"] += 1
        return panel.select("entity", "time", r=RETURN.over("entity"), n=pl.lit(state["calls"]))

    document = audit_features(market(0), restless, rule=AuditRule(**SMALL))
    assert test_of(document, "A0")["outcome"] == "fail"
    assert [f["verdict"] for f in document["features"]] == ["NONE FOUND", "FAIL"]


def test_stored_features_must_be_what_the_function_says(market: Any, test_of: Any) -> None:
    panel, function = market(0), Counted()
    right = function(panel)
    wrong = right.with_columns(pl.col("r") + 1e-12)
    for stored, outcome in ((right, "pass"), (wrong, "fail")):
        document = audit_features(panel, function, rule=AuditRule(**SMALL), evidence=Evidence(features=stored))
        assert test_of(document, "A0")["outcome"] == outcome


def test_the_order_of_the_rows_does_not_matter(market: Any) -> None:
    panel = market(0)
    mixed = panel.sample(fraction=1, shuffle=True, seed=0)
    rule = AuditRule(**SMALL)
    assert audit_features(mixed, Counted(), rule=rule) == audit_features(panel, Counted(), rule=rule)


def test_entities_listed_later_must_not_matter_before(market: Any) -> None:
    panel = market(0)
    count = pl.col("entity").n_unique() + 0 * C
    rank = RETURN.over("entity") / pl.col("entity").n_unique()
    found = check_listing(Subject(panel, Counted(count=count, rank=rank, r=RETURN.over("entity")), AuditRule()))
    assert set(found.accused) == {"count", "rank"}
    assert "2 of 5 entities start after the panel" not in found.found
    honest = check_listing(Subject(panel, Counted(), AuditRule()))
    assert honest.found == "no value changed; 2 of 5 entities start after the panel"


def test_newcomers_are_added_and_taken_away(market: Any) -> None:
    names = Counted(first=pl.col("entity").min(), last=pl.col("entity").max())  # a newcomer sorts first
    assert set(check_listing(Subject(market(0), names, AuditRule())).accused) == {"first", "last"}


def test_memory_is_measured(market: Any) -> None:
    columns = {"window": C.rolling_mean(20), "slow": C.ewm_mean(span=30), "total": C.cum_sum(), "now": C}
    subject = Subject(market(0), Counted(**{n: e.over("entity") for n, e in columns.items()}), AuditRule())
    memory = measure_memory(subject)
    assert {name: memory.settled[name] for name in columns} == {
        "window": 32,  # 19 rows before the oldest of the newest ones
        "slow": 256,  # (1 - 2 / 31) ** 207 is 1e-6
        "total": BEYOND,
        "now": 2,
    }
    assert memory.exact["slow"] > memory.settled["slow"]
    told = check_warm_up(memory, {"window": 19, "slow": 30})
    assert told.found == "3 features settle within 256 bars; not total; longer than declared: slow"
    assert told.outcome == "informative"


def test_a_declared_warm_up_that_is_long_enough_is_not_mentioned() -> None:
    memory = Memory({"x": 16}, {"x": 16}, 256)
    assert "declared" not in check_warm_up(memory, {"x": 6}).found
    assert "longer than declared: x" in check_warm_up(memory, {"x": 4}).found


def test_a_universe_without_deaths_is_not_believed(market: Any) -> None:
    panel = market(0)
    long = panel.with_columns(time=panel["time"].min() + (pl.col("time") - panel["time"].min()) * 10)
    died = long.filter((pl.col("entity") != "E1") | (pl.col("time") < long["time"].max() - timedelta(days=30)))
    assert check_universe(panel, AuditRule()).outcome == "pass"
    assert check_universe(long, AuditRule()).outcome == "incomplete"
    assert "survivorship: unverified" in check_universe(long, AuditRule()).found
    assert check_universe(long, AuditRule(universe="fixed")).outcome == "pass"
    assert "1 of 5 entities end before the panel does: E1" in check_universe(died, AuditRule()).found
    assert check_universe(died, AuditRule(dead_after=timedelta(days=40))).outcome == "incomplete"


def test_one_canary_sings_on_every_row_and_one_on_one_in_500(market: Any) -> None:
    panel = market(0)
    sung = with_canaries(panel, Counted())(panel)
    share = [(sung[name].fill_null(0) != 0).mean() for name in CANARIES]
    assert share == [pytest.approx(1, abs=0.01), pytest.approx(1 / 500, abs=1e-3)]


def test_a_missed_canary_fails() -> None:
    next_bar, rare_one = "__canary_next_bar__", "__canary_rare__"
    assert check_canaries({"A1": [next_bar], "A3": [rare_one]}).outcome == "pass"
    blind = check_canaries({"A1": [next_bar], "A3": []})
    assert (blind.outcome, blind.found.startswith("missed: canary rare")) == ("fail", True)


def test_a_broken_audit_notices_that_it_is_broken(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Subject, "differences", lambda *_: {})
    document = audit_features(market(0), Counted(), rule=AuditRule(**SMALL))
    assert (document["verdict"], document["said"]) == ("FAIL", "Leaks found by A12.")
    with pytest.raises(LeakError, match=r"(?s)leak audit: failed.*A12 Canaries: missed: canary next bar, canary rare"):
        admit(document)


@pytest.mark.parametrize("bars", [60, 200])
def test_short_histories_are_audited_without_false_alarm(bars: int, market: Any) -> None:
    panel = market(0, bars=bars, entities=2)
    document = audit_features(panel, Counted(r=RETURN.over("entity"), m=C.rolling_mean(20).over("entity")))
    assert document["verdict"] == "INCOMPLETE"
    assert "A8" in document["said"]
