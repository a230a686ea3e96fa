"""The feature store: parts written once, a manifest written last, and damage that neither load nor resume overlooks."""

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks
from kedro.io import DataCatalog, DatasetError, Version
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner
from kedro.validation.exceptions import DataValidationError

from assay.datasets import store
from assay.datasets.files import Frame, Json
from assay.datasets.store import FeaturePartitions, FeatureStore
from assay.hooks.evidence import Code, Fingerprints
from assay.hooks.receipts import Receipts
from assay.market.errors import DataError
from assay.market.features import FeatureRule, FeatureTable, Partition, engineer, engineer_parts
from assay.market.prepared import assemble

START = datetime(2024, 1, 1, tzinfo=UTC)
RULE = FeatureRule(families=("momentum", "calendar"))


def part(month: int, *, seed: int = 0, entities: int = 3, days: int = 28) -> Partition:
    """A month of daily features with holes."""
    rng = np.random.default_rng([month, seed])
    rows = entities * days
    frame = pl.DataFrame(
        {
            "entity": np.repeat([f"E{number}" for number in range(entities)], days),
            "time": [datetime(2024, month, 1 + day, tzinfo=UTC) for day in range(days)] * entities,
            "a": rng.normal(size=rows).astype(np.float32),
            "b": rng.normal(size=rows).astype(np.float32),
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    ).with_columns(b=pl.when(pl.col("b") < 1).then("b"))
    counts = tuple(frame[name].count() for name in ("a", "b"))
    return Partition(f"2024-{month:02}", f"key{month}{seed}", rows, counts, frame=frame)


def table(*parts: Partition, id_: str = "abc") -> FeatureTable:
    return FeatureTable(id_, ("a", "b"), parts)


YEAR = table(part(1), part(2), part(3))


def whole(features: FeatureTable) -> pl.DataFrame:
    return pl.concat(part.frame for part in features.partitions).sort("entity", "time")


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., FeatureStore]:
    """Opens the store for a version to save, or to load a pinned one."""

    def at(save: str | None = None, *, load: str | None = None) -> FeatureStore:
        return FeatureStore(filepath=str(tmp_path / "features.json"), version=Version(load, save))

    return at


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[], Any]:
    return lambda: FeaturePartitions(filepath=str(tmp_path / "features.json")).load()


Opened = Callable[..., FeatureStore]


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every part."""
    found = ((path.stem, path.stat()) for path in folder.glob("partitions/*/*"))
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found}


# --- what is saved comes back


def test_the_whole_table_comes_back_sorted(opened: Opened, tmp_path: Path) -> None:
    opened("1").save(YEAR)
    loaded = opened().load()
    assert loaded.equals(whole(YEAR))
    assert loaded.schema == whole(YEAR).schema
    assert [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*.*")) if path.is_file()] == [
        Path("features.json/1/features.json"),
        *(Path(f"partitions/abc/key{month}0.parquet") for month in (1, 2, 3)),
    ]


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        FeatureStore(filepath=str(tmp_path / folder / "features.json")).save(YEAR)
    contents = [
        {path.name: path.read_bytes() for path in (tmp_path / folder).rglob("*.*")} for folder in ("one", "two")
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 4


def test_the_manifest_lists_the_parts(opened: Opened) -> None:
    opened("1").save(YEAR)
    manifest = json.loads(opened().located().read_text())
    assert (manifest["feature_set_id"], manifest["engine_version"], manifest["columns"]) == ("abc", 2, ["a", "b"])
    first = manifest["partitions"][0]
    assert (first["period"], first["key"], first["rows"]) == ("2024-01", "key10", 84)
    assert first["counts"] == list(YEAR.partitions[0].counts)
    assert [line["period"] for line in manifest["partitions"]] == ["2024-01", "2024-02", "2024-03"]


def test_a_preview_shows_the_first_rows(opened: Opened) -> None:
    opened("1").save(YEAR)
    preview = opened().preview(2)
    assert preview["columns"] == ["entity", "time", "a", "b"]
    assert [row[0] for row in preview["data"]] == ["E0", "E0"]


def test_rows_are_grouped_by_whole_entities_with_checksums(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "GROUP", 50)
    opened("1").save(table(part(1, entities=5)))
    with pq.ParquetFile(tmp_path / "partitions/abc/key10.parquet") as file:
        groups = [file.read_row_group(number)["entity"].to_pylist() for number in range(file.num_row_groups)]
    assert [sorted(set(names)) for names in groups] == [["E0", "E1"], ["E2", "E3"], ["E4"]]
    assert opened().load().equals(whole(table(part(1, entities=5))))
    path = tmp_path / "partitions/abc/key10.parquet"
    content = bytearray(path.read_bytes())
    content[300] ^= 4
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"CRC|integrity|deserializ"):
        pq.read_table(path, page_checksum_verification=True)


# --- a second save writes what is new


def test_a_second_save_writes_no_part_twice(opened: Opened, tmp_path: Path) -> None:
    opened("1").save(YEAR)
    before = files(tmp_path)
    opened("2").save(YEAR)
    assert files(tmp_path) == before
    opened("3").save(table(*YEAR.partitions[:2], part(3, seed=1), part(4)))
    after = files(tmp_path)
    assert before.items() < after.items()
    assert after.keys() - before.keys() == {"key31", "key40"}


def test_known_parts_are_reused_without_their_rows(opened: Opened, stored: Any, tmp_path: Path) -> None:
    opened("1").save(YEAR)
    known = stored()
    assert [*known] == ["key10", "key20", "key30"]
    assert len(known) == 3
    old = known["key20"]
    assert (old.period, old.rows, old.counts, old.frame) == ("2024-02", 84, YEAR.partitions[1].counts, None)
    before = files(tmp_path)
    opened("2").save(table(known["key10"], old, part(3, seed=1)))
    assert before.items() < files(tmp_path).items()
    assert opened().load().equals(whole(table(*YEAR.partitions[:2], part(3, seed=1))))


def test_a_pinned_version_loads_what_it_loaded_before(opened: Opened, tmp_path: Path) -> None:
    labels = whole(YEAR).select("entity", "time", label=pl.lit(1, pl.Int8))
    opened("1").save(YEAR)
    prepared = Frame(filepath=str(tmp_path / "model_input.parquet"), version=Version("1", "1"))
    prepared.save(assemble(opened().load(), labels))
    later = table(part(1, seed=1), part(2, seed=1), part(4), id_="other")
    opened("2").save(later)
    assert opened(load="1").load().equals(whole(YEAR))
    assert opened(load="2").load().equals(opened().load())
    assert opened().load().equals(whole(later))
    assert prepared.load().equals(assemble(opened(load="1").load(), labels))


def test_manifests_share_parts_and_the_newest_are_known(
    opened: Opened, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(stored()) == 0
    opened("1").save(YEAR)
    opened("2").save(table(part(1), part(5), id_="other"))
    assert {*stored()} == {"key10", "key20", "key30", "key50"}
    monkeypatch.setattr(store, "NEWEST", 1)
    assert {*stored()} == {"key10", "key50"}


def test_only_the_store_writes_parts(tmp_path: Path) -> None:
    known = FeaturePartitions(filepath=str(tmp_path / "features.json"))
    assert known.volatile
    assert not known.exists()
    with pytest.raises(DatasetError, match="written by the feature store"):
        known.save({})


# --- damage


def place(tmp_path: Path, month: int = 2) -> Path:
    return tmp_path / f"partitions/abc/key{month}0.parquet"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


DAMAGES = [flip, truncate, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_named_with_its_remedy(
    opened: Opened, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    opened("1").save(YEAR)
    fingerprint = opened().fingerprint()
    assert opened().fingerprint() == fingerprint
    damage(place(tmp_path))
    with pytest.raises(
        DatasetError, match=r"key20\.parquet: (is damaged|cannot be read)\n  expected: .*2024-02(.|\n)*assay resume"
    ):
        opened().load()
    assert opened().fingerprint() != fingerprint


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_unknown_and_mended_by_the_next_save(
    opened: Opened, stored: Any, tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    opened("1").save(YEAR)
    fingerprint = opened().fingerprint()
    damage(place(tmp_path))
    known = stored()
    assert [known.get(f"key{month}0") is None for month in (1, 2, 3)] == [False, True, False]
    assert "key20.parquet (2024-02): damaged or missing, computed again" in caplog.text
    opened("2").save(table(known["key10"], part(2), known["key30"]))
    assert opened(load="1").load().equals(whole(YEAR))
    assert opened(load="1").fingerprint() == opened(load="2").fingerprint() == fingerprint


@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_manifest_vouches_for_nothing(
    opened: Opened, stored: Any, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    opened("1").save(YEAR)
    opened("2").save(table(part(1), part(5)))
    fingerprint = opened().fingerprint()
    damage(opened().located())
    with pytest.raises(DatasetError, match=r"2/features\.json: is damaged(.|\n)*assay resume"):
        opened().load()
    assert opened().fingerprint() != fingerprint
    assert {*stored()} == {"key10", "key20", "key30"}
    assert "2/features.json is damaged, what it names is not used again" in caplog.text


def test_any_digit_of_the_manifest_counts(opened: Opened) -> None:
    opened("1").save(YEAR)
    path = opened().located()
    path.write_text(path.read_text().replace('"rows":84', '"rows":85', 1))
    with pytest.raises(DatasetError, match=r"is damaged(.|\n)*its seal is"):
        opened().load()


def test_the_same_rows_of_another_feature_set_have_another_fingerprint(opened: Opened) -> None:
    opened("1").save(YEAR)
    opened("2").save(replace(YEAR, feature_set_id="other"))
    assert opened(load="1").fingerprint() != opened(load="2").fingerprint()


def test_a_part_deleted_during_the_run_stops_the_save(opened: Opened, stored: Any, tmp_path: Path) -> None:
    opened("1").save(YEAR)
    known = stored()
    parts = [known[f"key{month}0"] for month in (1, 2, 3)]
    place(tmp_path).unlink()
    with pytest.raises(DatasetError, match=r"key20\.parquet: was deleted during the run(.|\n)*2024-02"):
        opened("2").save(table(*parts))
    assert opened().resolve_load_version() == "1"


def test_the_bytes_of_another_writer_are_left_to_the_manifests_that_name_them(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(store.PARQUET, "compression", "none")
        opened("1").save(YEAR)
    before = files(tmp_path)
    opened("2").save(YEAR)
    assert files(tmp_path) == before
    assert opened(load="1").load().equals(opened(load="2").load())
    assert opened(load="1").fingerprint() == opened(load="2").fingerprint()


def test_a_missing_table_says_so(opened: Opened) -> None:
    assert not opened().exists()
    with pytest.raises(DatasetError, match=r"features\.json: does not exist(.|\n)*assay resume"):
        opened().load()


# --- kills and company


CHILD = """
    import os, signal, sys
    import polars as pl
    from kedro.io import Version
    from assay.datasets import store
    from assay.market.features import FeatureTable, Partition

    def table(version, rows=5_000):
        def part(n):
            columns = {"entity": ["A"] * rows, "time": range(rows), "a": [float(version * n)] * rows}
            return Partition(f"{n}", f"{version}-{n}", rows, (rows,), frame=pl.DataFrame(columns))
        return FeatureTable("id", ("a",), tuple(part(n) for n in range(6)))

    def save(version):
        path, name = sys.argv[1] + "/features.json", f"{version:04}"
        store.FeatureStore(filepath=path, version=Version(None, name)).save(table(version))

    def killed(**_):
        os.kill(os.getpid(), signal.SIGKILL)
"""
BEFORE_THE_MANIFEST = """
    save(1)
    store.Manifest = killed
    save(2)
"""
ANYWHERE = """
    for version in range(int(sys.argv[2]), 10_000):
        save(version)
        print(version, flush=True)
"""


def child(todo: str, *arguments: str) -> subprocess.Popen[str]:
    code = textwrap.dedent(CHILD) + textwrap.dedent(todo)
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def test_a_kill_before_the_manifest_leaves_the_old_version_and_reusable_parts(
    opened: Opened, stored: Any, tmp_path: Path
) -> None:
    with child(BEFORE_THE_MANIFEST, str(tmp_path)) as run:
        assert run.wait() == -9
    assert opened().resolve_load_version() == "0001"
    assert opened().load()["a"].max() == 5
    assert {key[0] for key in stored()} == {"1"}
    before = files(tmp_path)
    assert {name[0] for name in before} == {"1", "2"}
    child("save(2)", str(tmp_path)).communicate()
    assert opened().load()["a"].max() == 10
    assert files(tmp_path) == before


def test_a_kill_at_any_moment_leaves_no_version_torn(opened: Opened, stored: Any, tmp_path: Path) -> None:
    rng, newest = np.random.default_rng(4), 0
    for _ in range(4):
        with child(ANYWHERE, str(tmp_path), str(newest + 1)) as run:
            assert run.stdout is not None
            told = int(run.stdout.readline())
            time.sleep(rng.uniform(0, 0.05))
            run.kill()
        newest = int(opened().resolve_load_version())
        assert newest >= told
        assert opened().load()["a"].max() == 5 * newest
        known = stored()
        assert all(known.get(key) for key in known)


def test_two_runs_at_once_do_not_disturb_each_other(opened: Opened, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda version: opened(version, load=version).save(YEAR), "1234"))
    assert all(opened(load=version).load().equals(whole(YEAR)) for version in "1234")
    assert len({opened(load=version).fingerprint() for version in "1234"}) == 1
    assert len(files(tmp_path)) == 3


# --- contracts, and a run with receipts


@pytest.fixture
def checked(tmp_path: Path) -> Callable[[str], DataCatalog]:
    """A catalog with the store under its contract."""

    def catalog(version: str) -> DataCatalog:
        entry = {
            "type": "assay.datasets.store.FeatureStore",
            "filepath": str(tmp_path / "features.json"),
            "versioned": True,
            "validator": {"class": "assay.datasets.store.FeatureContract", "on": ["load", "save"]},
        }
        return DataCatalog.from_config({"equity.features": entry}, save_version=version)

    return catalog


def test_the_contract_holds_for_parts_and_for_the_whole(
    checked: Callable[[str], DataCatalog], stored: Any, opened: Opened
) -> None:
    checked("1").save("equity.features", YEAR)
    known = stored()
    again = table(known["key10"], part(2))
    checked("2").save("equity.features", again)
    assert checked("3").load("equity.features").equals(whole(table(*YEAR.partitions[:2])))
    bad = replace(part(3, seed=1), frame=part(3).frame.with_columns(a=pl.lit(float("inf"), pl.Float32)))
    with pytest.raises(DataValidationError, match="finite"):
        checked("4").save("equity.features", table(part(1), bad))
    assert {*stored()} == {"key10", "key20", "key30"}
    swapped = [replace(part(1), key="x", frame=part(2).frame), replace(part(2), key="y", frame=part(1).frame)]
    with pytest.raises(DataValidationError, match="sorted and unique"):
        checked("5").save("equity.features", table(*swapped))
    opened("6").save(table(*swapped))
    with pytest.raises(DataValidationError, match="sorted and unique"):
        checked("7").load("equity.features")


def panel(days: int) -> pl.DataFrame:
    close = 100 + np.sin(np.arange(days))
    return pl.DataFrame(
        {
            "entity": ["A"] * days,
            "time": [START + timedelta(days=day) for day in range(days)],
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume": 1.0,
            "jump": False,
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )


PIPELINE = Pipeline(
    [
        node(engineer_parts, ["panel", "params:rule", "parts"], ["features", "catalogue"], name="engineer"),
        node(lambda features: features.height, "features", "rows", name="count"),
    ]
)


class Market:
    """Two nodes over a panel that grows, run by Kedro's runner with receipts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.days, self.runs, self.ran = folder, 100, 0, []
        (folder / "src").mkdir()
        self.hooks = (self, Receipts(Fingerprints(), Code(folder / "src")))

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        self.ran.append(node.name)

    def catalog(self, run: str) -> DataCatalog:
        def entry(kind: type, name: str) -> dict[str, Any]:
            return {"type": kind, "filepath": str(self.folder / name), "versioned": True}

        config = {
            "panel": entry(Frame, "panel.parquet"),
            "parts": {"type": FeaturePartitions, "filepath": str(self.folder / "features.json")},
            "features": entry(FeatureStore, "features.json"),
            "catalogue": entry(Json, "catalogue.json"),
            "rows": entry(Json, "rows.json"),
        }
        catalog = DataCatalog.from_config(config, save_version=run)
        catalog["params:rule"] = RULE
        return catalog

    def run(self, *, resume: bool = False) -> list[str]:
        """Names of the nodes that ran."""
        self.runs, self.ran = self.runs + 1, []
        run, manager = f"{self.runs:04}", _create_hook_manager()
        catalog = self.catalog(run)
        _register_hooks(manager, self.hooks)
        about = {"run_id": run, "only_missing_outputs": resume}
        given = {"run_params": about, "pipeline": PIPELINE, "catalog": catalog}
        manager.hook.before_pipeline_run(**given)
        SequentialRunner().run(PIPELINE, catalog, manager, run_id=run, only_missing_outputs=resume)
        return self.ran

    def resume(self) -> list[str]:
        return self.run(resume=True)

    def load(self) -> pl.DataFrame:
        return self.catalog("none").load("features")

    def grow(self, days: int) -> None:
        self.days = days
        self.catalog(f"panel{days}").save("panel", panel(days))


@pytest.fixture
def market(tmp_path: Path) -> Market:
    """The market after a whole run."""
    made = Market(tmp_path)
    made.grow(100)
    assert made.run() == ["engineer", "count"]
    return made


def test_new_bars_write_the_tail_only_and_the_table_is_the_whole_one(market: Market, tmp_path: Path) -> None:
    before = files(tmp_path)
    assert market.resume() == []
    market.grow(101)
    assert market.resume() == ["engineer", "count"]
    assert market.load().equals(engineer(panel(101), RULE)[0])
    assert before.items() < files(tmp_path).items()
    assert len(files(tmp_path)) == len(before) + 1
    assert market.resume() == []


def some_part(market: Market) -> Path:
    return min(market.folder.rglob("partitions/*/*.parquet"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_resumed_run_makes_a_damaged_part_again_and_no_other(
    market: Market, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    before, path = files(tmp_path), some_part(market)
    content = path.read_bytes()
    damage(path)
    assert market.resume() == ["engineer", "count"]
    assert path.read_bytes() == content
    after = files(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {path.stem}
    assert market.resume() == []
    assert market.load().equals(engineer(panel(100), RULE)[0])


def test_a_damaged_manifest_is_made_again_from_the_same_parts(market: Market, tmp_path: Path) -> None:
    before = files(tmp_path)
    flip(market.catalog("none")["features"].located())
    assert market.resume() == ["engineer", "count"]
    assert files(tmp_path) == before
    assert market.resume() == []


def test_a_damaged_part_is_not_opened_by_a_plain_run(market: Market) -> None:
    path = some_part(market)
    dataset = market.catalog("none")["features"]
    receipts = Receipts(Fingerprints(), Code(market.folder / "src"))
    run = {"run_params": {"run_id": "9", "only_missing_outputs": False}, "pipeline": Pipeline([])}
    receipts.before_pipeline_run(catalog=DataCatalog({"features": dataset}), **run)
    receipts.before_dataset_loaded("features")
    receipts.before_pipeline_run(catalog=DataCatalog({"features": dataset}), **run)
    flip(path)
    with pytest.raises(DataError, match=r"features\.json: differs from its receipt"):
        receipts.before_dataset_loaded("features")
