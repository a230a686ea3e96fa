"""What a person sees of a run."""

import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from kedro.pipeline import Pipeline, node
from rich.console import Console

from assay import console
from assay.hooks import display
from assay.market.errors import DataError

Market = Any


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    screen = Console(file=StringIO(), width=200)
    for module in (console, display):
        monkeypatch.setattr(module, "console", lambda: screen)
    return screen


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    terminal = Console(file=StringIO(), width=100, force_terminal=True)
    for module in (console, display):
        monkeypatch.setattr(module, "console", lambda: terminal)
    yield terminal
    console.BARS.close_all()


def text(screen: Console) -> str:
    return screen.file.getvalue()


@pytest.mark.usefixtures("screen")
def test_one_line_per_node_with_rows_in_and_out(market: Market, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "assay.hooks.display"):
        market.run()
    lines = [record.getMessage() for record in caplog.records if record.name == "assay.hooks.display"]
    assert len(lines) == 4
    assert lines[0].startswith("equity.ingestion.clean  0.")
    assert lines[0].endswith(" s  raw 2 rows -> bars 2 rows")
    assert lines[1].endswith(" s  bars 2 rows -> features 2 rows + feature_catalogue")
    assert lines[2].endswith(" s  features 2 rows + study -> trials 2 + best")


def test_the_end_shows_verdict_report_time_and_memory(market: Market, screen: Console) -> None:
    market.run()
    shown = text(screen)
    assert "no evidence" in shown
    assert "depth 2 of 2 trials" in shown
    assert f"report: {market.path('report')}\n" in shown
    assert "4 nodes in 0." in shown
    assert "peak memory" in shown
    assert "\x1b" not in shown


def test_an_older_report_is_not_passed_off_as_this_runs(done: Market, screen: Console) -> None:
    def judge(best: dict[str, Any]) -> dict[str, Any]:
        return {"verdict": {"level": "weak", "headline": str(best["depth"])}}

    done.pipeline = Pipeline([node(judge, "equity.best", "equity.summary", name="judge", namespace="equity.reporting")])
    done.run()
    assert "report: none in this run" in text(screen)


def test_an_idle_resume_says_so(done: Market, screen: Console) -> None:
    done.resume()
    assert text(screen) == f"nothing to do: every output is fresh\nreport: {done.path('report')}\n"


def test_a_failure_says_how_to_go_on(market: Market, terminal: Console, caplog: pytest.LogCaptureFixture) -> None:
    def fail(name: str) -> None:
        raise ValueError(name)

    market.recorder.before_save = fail
    with pytest.raises(ValueError, match=r"equity\.bars"):
        market.run()
    assert "equity.ingestion.clean stopped after 0." in caplog.text
    assert "`assay resume equity` reruns only what is not fresh" in caplog.text
    assert console.BARS._progress is None
    assert "\x1b[?25h" in text(terminal), "the cursor is still hidden"


@pytest.mark.usefixtures("screen")
def test_a_null_check_goes_on_with_the_same_command(done: Market, caplog: pytest.LogCaptureFixture) -> None:
    shown = display.Display()
    run = {"only_missing_outputs": False, "pipeline_names": ["null_check"]}
    shown.before_pipeline_run(run_params=run, pipeline=done.pipeline, catalog=done.catalog)
    shown.on_pipeline_error(run_params=run)
    assert "the same command goes on: what was done is kept" in caplog.text
    assert "assay resume" not in caplog.text


@pytest.mark.usefixtures("screen")
def test_a_failure_to_load_names_the_node_that_needs_it(done: Market, caplog: pytest.LogCaptureFixture) -> None:
    done.path("best").write_text("[")
    done.pipeline = done.pipeline.from_nodes("equity.reporting.write")
    with pytest.raises(DataError, match="differs from its receipt"):
        done.run()
    assert "equity.reporting.write stopped after 0." in caplog.text


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ({"env": None}, "assay resume crypto"),
        ({"env": "base", "runtime_params": {}}, "assay resume crypto"),
        ({"env": "files", "runtime_params": {"data_dir": "/my data"}}, "assay resume crypto --data '/my data'"),
        (
            {"env": "own", "runtime_params": {"crypto": {"learning": {"seed": 3}}, "bars": "b.csv"}},
            "assay resume crypto --env own --params crypto.learning.seed=3,bars=b.csv",
        ),
        (
            {
                "runtime_params": {
                    "crypto": {"features": {"exclude": ["rsi_14", "body"]}, "ingestion": {"interval": None}}
                }
            },
            "assay resume crypto --params 'crypto.features.exclude=[rsi_14,body],crypto.ingestion.interval=null'",
        ),
    ],
)
def test_the_way_to_go_on_is_the_command_of_the_run(given: dict[str, Any], command: str) -> None:
    assert display.resume_command(["crypto"], given) == command


@pytest.mark.usefixtures("screen")
@pytest.mark.parametrize(
    ("verdict", "level", "told"),
    [
        ("NONE FOUND", logging.INFO, "leak audit of equity: no leak found by 1 test"),
        ("FAIL", logging.WARNING, "leak audit of equity: FAIL. Leaks found by A1: tomorrow (1 of 1 features)."),
    ],
)
def test_the_outcome_of_the_audit_is_told_at_once(
    verdict: str, level: int, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    tests = [{"outcome": "pass"}, {"outcome": "fail"}]
    audit = {"verdict": verdict, "said": "Leaks found by A1: tomorrow (1 of 1 features).", "tests": tests}
    with caplog.at_level(logging.INFO, "assay.hooks.display"):
        display.Display().after_dataset_saved("equity.audit", audit)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(level, told)]


def test_many_inputs_are_summed_up() -> None:
    tables = {f"equity.signal.m{n}.predictions": [1] * n for n in range(6)}
    shown = display._sizes(tables | {"params:x": [1]})
    assert shown == "predictions 0 + predictions 1 + predictions 2 + predictions 3 + 2 more"
    assert display._sizes({}) == "nothing"


@pytest.mark.usefixtures("terminal")
def test_the_bar_counts_the_nodes_that_will_run(done: Market, monkeypatch: Any) -> None:
    totals: list[int] = []
    original = console.BARS.open
    monkeypatch.setattr(console.BARS, "open", lambda what, total: totals.append(total) or original(what, total))
    done.parameters["equity"]["tuning"]["depth"] = 4
    done.resume()
    done.run()
    assert totals == [2, 4]


def test_tracked_items_come_through_in_a_terminal_under_the_open_bar(terminal: Console) -> None:
    outer = console.BARS.open("nodes", 2)
    done = []
    for item in console.track(["a", "b", "c"], "trials of xgboost"):
        bars = console.BARS._progress.tasks
        done.append((item, bars[1].completed, bars[1].total, bars[0].completed))
    assert done == [("a", 0, 3, 0), ("b", 1, 3, 0), ("c", 2, 3, 0)]
    console.BARS.advance(outer)
    assert [bar.completed for bar in console.BARS._progress.tasks] == [1]
    console.BARS.close(outer)
    assert console.BARS._progress is None
    assert "  trials of xgboost" in text(terminal)


@pytest.mark.usefixtures("terminal")
def test_a_loop_left_early_takes_its_bar_along() -> None:
    for item in console.track([1, 2, 3], "trials"):
        if item == 2:
            break
    assert console.BARS._progress is None


def test_without_a_terminal_a_line_at_most_every_thirty_seconds(
    screen: Console, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = iter([0.0, *(12.0 * n for n in range(10))])
    with caplog.at_level(logging.INFO, "assay.console"):
        items = list(console.track(list(range(10)), "folds", clock=lambda: next(seconds)))
    assert items == list(range(10))
    assert [record.getMessage() for record in caplog.records] == [
        "folds: 3 of 10, about 1 min 24 s left",
        "folds: 6 of 10, about 48.0 s left",
        "folds: 9 of 10, about 12.0 s left",
    ]
    assert text(screen) == ""


@pytest.mark.usefixtures("screen")
def test_a_short_loop_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "assay.console"):
        assert list(console.track([], "folds")) == []
        assert list(console.track([1, 2], "folds")) == [1, 2]
    assert not caplog.records


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (245, "4 min 05 s"), (7620, "2 h 07 min")],
)
def test_durations_read_as_people_say_them(seconds: float, shown: str) -> None:
    assert console.duration(seconds) == shown
