"""Resume: nothing stale is used, nothing fresh is made again."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kedro.io import DatasetError, MemoryDataset
from kedro.pipeline import Pipeline, node

from assay.datasets import files
from assay.datasets.ledger import TrialLedger
from assay.hooks import evidence
from assay.market.errors import DataError

Market = Any
ALL = ["clean", "engineer", "search", "write"]


def test_a_receipt_names_the_bytes_the_node_and_the_run(done: Market) -> None:
    path = done.path("features")
    receipt = json.loads(path.with_name("features.parquet.receipt.json").read_text())
    assert receipt["sha256"] == sha256(path.read_bytes()).hexdigest()
    assert receipt["node"] == "equity.feature_engineering.engineer"
    assert receipt["run"] == path.parent.name == "0001"
    assert sorted(receipt) == ["code", "inputs", "key", "node", "packages", "parameters", "run", "sha256"]
    assert receipt["inputs"] == {"equity.bars": sha256(done.path("bars").read_bytes()).hexdigest()}


def test_nothing_changed_nothing_runs(done: Market) -> None:
    assert done.resume() == []
    assert done.resume() == []
    assert done.versions("report") == 1


def test_a_plain_run_makes_everything_again(done: Market) -> None:
    assert done.run() == ALL


def test_a_changed_parameter_reruns_its_nodes_and_their_children(done: Market) -> None:
    done.parameters["equity"]["tuning"]["depth"] = 4
    assert done.resume() == ["search", "write"]
    assert done.path("report").read_text() == "<p>depth 4 of 4 trials</p>"
    assert done.resume() == []
    done.parameters["equity"]["features"]["window"] = 5
    assert done.resume() == ["engineer", "search", "write"]


def test_a_default_that_is_now_written_down_changes_nothing(done: Market) -> None:
    done.parameters["equity"]["tuning"]["trials"] = 2
    assert done.resume() == []


@pytest.mark.parametrize(
    ("source", "rerun"),
    [
        ("market/labels.py", ALL),
        ("market/new.py", ALL),
        ("pipelines/__init__.py", ALL),
        ("pipelines/tuning/nodes.py", ["search", "write"]),
        ("pipelines/reporting/nodes.py", ["write"]),
        ("workloads/equity/feeds.py", ALL),
        ("report/page.html.j2", ["write"]),
        ("workloads/crypto/feeds.py", []),
        ("pipelines/tuning/README.md", []),
        ("hooks/display.py", []),
        ("cli.py", []),
    ],
)
def test_changed_code_reruns_what_it_can_reach(done: Market, source: str, rerun: list[str]) -> None:
    done.write(done.package / source, "value = 2")
    assert done.resume() == rerun
    assert done.resume() == []


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def forget(path: Path) -> None:
    path.with_name(f"{path.name}.receipt.json").unlink()


def scribble(path: Path) -> None:
    path.with_name(f"{path.name}.receipt.json").write_text('{"key":')


def halve(path: Path) -> None:
    receipt = path.with_name(f"{path.name}.receipt.json")
    receipt.write_text(json.dumps({"key": json.loads(receipt.read_text())["key"]}))


@pytest.mark.parametrize("damage", [truncate, Path.unlink, forget, scribble, halve])
@pytest.mark.parametrize(
    ("name", "rerun"),
    [("bars", ALL), ("features", ALL[1:]), ("feature_catalogue", ALL[1:]), ("best", ALL[2:]), ("report", ["write"])],
)
def test_a_damaged_or_missing_output_is_made_again_with_its_children(
    done: Market, damage: Callable[[Path], None], name: str, rerun: list[str]
) -> None:
    before = done.path(name).read_bytes()
    damage(done.path(name))
    assert done.resume() == rerun
    assert done.path(name).read_bytes() == before
    assert done.resume() == []


def test_a_study_that_grew_makes_nothing_stale(done: Market) -> None:
    import optuna

    optuna.create_study(storage=done.catalog("none").load("equity.study"))
    assert done.resume() == []


def test_changed_source_data_or_reading_reruns_everything(done: Market) -> None:
    done.write(done.data / "prices.json", json.dumps({"t": [2, 1], "close": [3.5, 2.75]}))
    assert done.resume() == ALL
    done.columns = {"t": "time", "close": "close"}
    assert done.resume() == ALL
    assert done.resume() == []


def test_a_ledger_that_grew_is_fresh_for_its_writer_and_new_to_its_reader(done: Market) -> None:
    TrialLedger(filepath=str(done.data / "trials.jsonl")).save([{"id": "elsewhere", "scope": "outer"}])
    assert done.resume() == ["write"]
    assert done.path("report").read_text() == "<p>depth 2 of 3 trials</p>"


def test_an_edited_ledger_stops_the_run(done: Market) -> None:
    ledger = done.data / "trials.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b'"scope":"inner"', b'"scope":"outer"', 1))
    with pytest.raises(DataError, match=r"trials\.jsonl, line 1: was edited"):
        done.resume()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file whose bytes were hashed."""
    found: list[Path] = []
    original = files.sha256_of
    monkeypatch.setattr(files, "sha256_of", lambda path: found.append(path) or original(path))
    return found


def test_a_plain_run_spends_no_time_on_old_outputs(done: Market, hashed: list[Path]) -> None:
    done.run()
    assert {path.parent.name for path in hashed} == {"0002"}


def test_every_file_is_hashed_once(done: Market, hashed: list[Path]) -> None:
    done.parameters["equity"]["tuning"]["depth"] = 4
    assert done.resume() == ["search", "write"]
    assert len(hashed) == len(set(hashed))
    assert {path.name for path in hashed} >= {"bars.parquet", "features.parquet", "best.json", "report.html"}


def last_two(market: Market) -> None:
    market.pipeline = market.pipeline.from_nodes("equity.tuning.search")


def test_an_input_that_differs_from_its_receipt_is_not_even_opened(done: Market) -> None:
    last_two(done)
    assert done.run() == ["search", "write"]
    path = done.path("features")
    truncate(path)
    with pytest.raises(
        DataError, match=r"features\.parquet: differs from its receipt\n  expected: \w{64}\n  found: \w{64}"
    ):
        done.run()
    forget(path)
    with pytest.raises(DatasetError, match=r"features\.parquet: is damaged"):
        done.run()


def test_an_edit_is_kept_once_its_receipt_is_gone(done: Market) -> None:
    last_two(done)
    done.path("best").write_text('{"depth": 8, "score": 1}')
    done.pipeline = done.pipeline.from_nodes("equity.reporting.write")
    with pytest.raises(DataError, match=r"to keep an edit of your own, delete best\.json\.receipt\.json"):
        done.run()
    forget(done.path("best"))
    assert done.run() == ["write"]
    assert "depth 8" in done.path("report").read_text()


class Killed(BaseException):
    """Stands for a kill: no handler of the run sees it."""


def outputs(market: Market) -> dict[str, bytes]:
    return {
        name: market.path(name).read_bytes() for name in ("bars", "features", "feature_catalogue", "best", "report")
    }


SAVES = ["bars", "features", "feature_catalogue", "trials", "best", "summary", "report"]


@pytest.mark.parametrize("last", range(len(SAVES)))
def test_a_kill_before_any_save_is_resumed_to_the_same_bytes(
    market: Market, tmp_path_factory: pytest.TempPathFactory, last: int
) -> None:
    def kill(name: str) -> None:
        if name == f"equity.{SAVES[last]}":
            raise Killed

    market.recorder.before_save = kill
    with pytest.raises(Killed):
        market.run()
    market.recorder.before_save = str
    finished = {"bars": 1, "features": 1, "feature_catalogue": 1, "trials": 2, "best": 2, "summary": 3, "report": 3}
    assert market.resume() == ALL[finished[SAVES[last]] if last else 0 :]
    other = type(market)(tmp_path_factory.mktemp("other"))
    other.run()
    assert outputs(market) == outputs(other)
    assert market.resume() == []


def test_a_kill_between_data_and_receipt_reruns_the_node(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.hooks import receipts

    original = receipts.write_atomic

    def kill(path: Path, write: Callable) -> None:
        if path.name.startswith("features.parquet"):
            raise Killed
        original(path, write)

    monkeypatch.setattr(receipts, "write_atomic", kill)
    with pytest.raises(Killed):
        market.run()
    assert market.path("features").is_file()
    monkeypatch.setattr(receipts, "write_atomic", original)
    assert market.resume() == ["engineer", "search", "write"]


def told(market: Market, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a resumed run says about stale nodes."""
    caplog.clear()
    with caplog.at_level("INFO", "assay.hooks.receipts"):
        market.resume()
    return [record.getMessage() for record in caplog.records if record.name == "assay.hooks.receipts"]


def test_the_log_names_the_cause_and_counts_what_follows(done: Market, caplog: pytest.LogCaptureFixture) -> None:
    assert told(done, caplog) == ["4 of 4 nodes are fresh and left out; 0 follow a stale one"]
    done.parameters["equity"]["tuning"]["depth"] = 4
    cause = "equity.tuning.search is stale: parameters changed"
    assert told(done, caplog) == [cause, "2 of 4 nodes are fresh and left out; 1 follow a stale one"]
    done.write(done.package / "pipelines/tuning/nodes.py", "value = 2")
    done.parameters["equity"]["tuning"]["depth"] = 5
    assert told(done, caplog)[0] == "equity.tuning.search is stale: code, parameters changed"
    done.write(done.data / "prices.json", json.dumps({"t": [2, 1], "close": [3.5, 2.75]}))
    assert told(done, caplog)[0] == "equity.ingestion.clean is stale: input equity.raw changed"


def test_changed_packages_make_everything_again(
    done: Market, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.hooks import receipts

    monkeypatch.setattr(receipts, "packages", lambda: {"polars": "99"})
    cause = "equity.ingestion.clean is stale: packages changed"
    assert told(done, caplog) == [cause, "0 of 4 nodes are fresh and left out; 3 follow a stale one"]
    assert done.resume() == []


@pytest.mark.parametrize(
    ("damage", "cause"), [(truncate, "is damaged"), (Path.unlink, "is missing"), (forget, "has no receipt")]
)
def test_the_log_names_what_is_wrong_with_an_output(
    done: Market, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], cause: str
) -> None:
    damage(done.path("best"))
    assert told(done, caplog)[0] == f"equity.tuning.search is stale: output equity.best {cause}"


def test_an_output_of_a_renamed_node_names_the_old_one(done: Market, caplog: pytest.LogCaptureFixture) -> None:
    old = next(node for node in done.pipeline.nodes if node.short_name.lower().endswith("clean"))
    done.pipeline = Pipeline([old._copy(name="tidy"), *(node for node in done.pipeline.nodes if node is not old)])
    cause = "equity.ingestion.tidy is stale: its output was made by equity.ingestion.clean"
    assert told(done, caplog)[0] == cause


def test_what_nothing_on_disk_vouches_for_is_never_fresh(done: Market, caplog: pytest.LogCaptureFixture) -> None:
    raw = done.catalog("none").load("equity.raw")
    done.extra["equity.raw"] = MemoryDataset(raw)
    assert done.resume() == ALL
    assert done.resume() == ALL
    assert told(done, caplog)[0] == "equity.ingestion.clean is stale: no file vouches for input equity.raw"


def test_an_output_in_memory_is_made_again_for_the_child_that_needs_it(done: Market) -> None:
    done.extra["equity.bars"] = MemoryDataset()
    assert done.resume() == ALL
    assert done.resume() == ALL


def test_order_of_keys_and_names_decide_the_digest() -> None:
    assert evidence.digest({"a": 1, "b": [2, None]}) == evidence.digest({"b": [2, None], "a": 1})
    assert evidence.digest([1, 2]) != evidence.digest([2, 1])


def test_a_node_outside_any_namespace_has_no_place() -> None:
    bare = Pipeline([node(pl.DataFrame.sum, "a", "b", name="n")]).nodes[0]
    assert evidence.place_of(bare) == ("", "")
    deep = Pipeline([node(pl.DataFrame.sum, "a", "b", name="n", namespace="w.s.h.m")]).nodes[0]
    assert evidence.place_of(deep) == ("w", "s")
