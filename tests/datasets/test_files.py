"""Files: whole or absent, the same bytes for the same content, damage noticed with a message that helps."""

import json
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.io import DataCatalog, DatasetError, Version

from assay.datasets.files import AtomicFile, Bundle, Csv, Frame, Html, Json, write_atomic

TABLE = pl.DataFrame(
    {
        "entity": ["A", "A", "B"],
        "time": pl.Series([0, 1_000_000, 2_000_000]).cast(pl.Datetime("us", "UTC")),
        "x": pl.Series([1.5, None, -3.25], dtype=pl.Float32),
        "label": pl.Series([-1, None, 1], dtype=pl.Int8),
    }
)
MODEL = {"model.ubj": b"\x00" * 64 + b"tree", "recipe.json": b"{}"}
CONTENTS = [(Frame, TABLE), (Json, {"b": [1, None], "a": 0.1}), (Html, "<p>é</p>"), (Bundle, MODEL)]


def equal(left: object, right: object) -> bool:
    return left.equals(right) if isinstance(left, pl.DataFrame) else left == right


@pytest.mark.parametrize(("kind", "content"), CONTENTS)
def test_content_comes_back_and_has_the_same_bytes_twice(
    tmp_path: Path, kind: type[AtomicFile], content: object
) -> None:
    one, two = kind(filepath=str(tmp_path / "one")), kind(filepath=str(tmp_path / "two"))
    one.save(content)
    two.save(content)
    assert equal(one.load(), content)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert one.fingerprint() == two.fingerprint()


def test_frame_has_the_same_bytes_however_it_is_chunked(tmp_path: Path) -> None:
    table = pl.DataFrame({"n": range(50_000)}).with_columns(x=pl.col("n").sin(), s=(pl.col("n") % 977).cast(pl.String))
    chunked = pl.concat([table[:1], table[1:30_001], table[30_001:]], rechunk=False)
    assert chunked.n_chunks() == 3
    files = Frame(filepath=str(tmp_path / "whole")), Frame(filepath=str(tmp_path / "chunked"))
    files[0].save(table)
    files[1].save(chunked)
    assert files[0].fingerprint() == files[1].fingerprint()
    assert files[1].load().equals(table)


def test_frame_keeps_its_types(tmp_path: Path) -> None:
    frame = Frame(filepath=str(tmp_path / "labels.parquet"))
    frame.save(TABLE)
    assert frame.load().schema == TABLE.schema


def test_csv_keeps_values_and_times(tmp_path: Path) -> None:
    csv = Csv(filepath=str(tmp_path / "decisions.csv"))
    csv.save(TABLE)
    assert csv.load().equals(TABLE.with_columns(pl.col("x").cast(pl.Float64), pl.col("label").cast(pl.Int64)))
    assert csv.preview(2)["columns"] == TABLE.columns


def test_json_sorts_its_keys_and_names_the_place_of_a_nan(tmp_path: Path) -> None:
    document = Json(filepath=str(tmp_path / "metrics.json"))
    document.save({"b": 1, "a": 2})
    assert list(json.loads(document.preview())) == ["a", "b"]
    with pytest.raises(
        DatasetError, match=r"metrics.json, heads\.signal\[1\]\.ic: cannot be written as JSON\n.*\n.*nan"
    ):
        document.save({"heads": {"signal": [{}, {"ic": float("nan")}]}})
    assert document.load() == {"a": 2, "b": 1}


def test_previews_show_the_first_rows_as_text(tmp_path: Path) -> None:
    frame = Frame(filepath=str(tmp_path / "panel.parquet"))
    frame.save(TABLE)
    preview = frame.preview(2)
    assert preview["columns"] == TABLE.columns
    assert [row[2] for row in preview["data"]] == ["1.5", ""]
    frame.save(TABLE.clear())
    assert frame.preview()["data"] == []
    page = Html(filepath=str(tmp_path / "report.html"))
    page.save("<p/>")
    assert page.preview() == "<p/>"


def test_an_error_in_mid_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, lambda file: file.write(b"old"))

    def fail(file) -> None:  # noqa: ANN001
        file.write(b"half")
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="on fire"):
        write_atomic(path, fail)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]


KILLER = """
    import os, random, signal, sys, time
    from pathlib import Path
    from kedro.io import Version
    from assay.datasets.files import Html

    random.seed(7)
    folder, size = Path(sys.argv[1]), 2**21
    reader, writer = os.pipe()

    class Page(Html):
        def _write(self, file, data):
            os.write(writer, b"1")
            for start in range(0, size, 2**15):
                file.write(data[start : start + 2**15].encode())

    def page(version):
        return Page(filepath=str(folder / "report.html"), version=Version(None, version))

    page("0000").save("0" * size)
    for round in range(1, 31):
        os.read(reader, 2**16)
        child = os.fork()
        if child == 0:
            for number in range(1000):
                page(f"{round:02}{number:04}").save(str(number % 10) * size)
        os.read(reader, 1)
        time.sleep(random.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.write(writer, b"1")
        newest = page(None).load()
        assert len(newest) == size and set(newest) == {newest[0]}, f"torn in round {round}"
    print(len(list(folder.rglob("*.part"))))
"""


def test_kill_in_mid_write_never_leaves_a_torn_file(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLER), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout) > 0, "the kills did not hit any write"


def test_truncated_parquet_names_the_file_and_what_to_do(tmp_path: Path) -> None:
    frame = Frame(filepath=str(tmp_path / "features.parquet"), version=Version(None, "2020"))
    frame.save(TABLE)
    path = tmp_path / "features.parquet" / "2020" / "features.parquet"
    whole = path.read_bytes()
    for size in range(0, len(whole), 37):
        path.write_bytes(whole[:size])
        with pytest.raises(
            DatasetError, match=r"2020/features.parquet: is damaged(\n.*)+what to do: run `assay resume`"
        ):
            frame.load()


def test_a_flipped_bit_in_a_page_is_noticed(tmp_path: Path) -> None:
    frame = Frame(filepath=str(tmp_path / "features.parquet"))
    frame.save(pl.DataFrame({"x": pl.Series(range(1000)).shuffle(seed=1).cast(pl.Float64).sin()}))
    path = tmp_path / "features.parquet"
    whole = bytearray(path.read_bytes())
    for place in range(200, 8000, 390):
        whole[place] ^= 4
        path.write_bytes(whole)
        with pytest.raises(DatasetError, match="is damaged"):
            frame.load()
        whole[place] ^= 4


@pytest.mark.parametrize("kind", [Frame, Json, Html, Bundle, Csv])
def test_a_missing_file_names_the_dataset_the_path_and_what_to_do(tmp_path: Path, kind: type[AtomicFile]) -> None:
    catalog = DataCatalog({"equity.panel": kind(filepath=str(tmp_path / "panel"), version=Version(None, "2020"))})
    with pytest.raises(DatasetError, match=r"equity.panel: (.*\n)+.*/panel: does not exist(\n.*)+assay resume"):
        catalog.load("equity.panel")
    assert not catalog.exists("equity.panel")


@pytest.mark.parametrize(("kind", "text"), [(Json, '{"a": 1'), (Csv, 'a,b\n1,"'), (Html, b"\xff\xfe")])
def test_damaged_text_is_a_clear_error(tmp_path: Path, kind: type[AtomicFile], text: str | bytes) -> None:
    (tmp_path / "file").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DatasetError, match="file: is damaged"):
        kind(filepath=str(tmp_path / "file")).load()


def test_the_newest_version_is_loaded_a_stale_one_does_not_exist(tmp_path: Path) -> None:
    path = str(tmp_path / "a.json")
    Json(filepath=path, version=Version(None, "2020")).save([1])
    Json(filepath=path, version=Version(None, "2021")).save([2])
    newest, pinned = (
        Json(filepath=path, version=Version(None, None)),
        Json(filepath=path, version=Version("2020", None)),
    )
    assert (newest.load(), pinned.load()) == ([2], [1])
    assert newest.exists()
    newest.stale = True
    assert not newest.exists()
    rewritten = Json(filepath=path, version=Version(None, "2022"))
    rewritten.stale = True
    rewritten.save([3])
    assert rewritten.exists()
    assert rewritten.saved_path() == rewritten.located() == tmp_path / "a.json" / "2022" / "a.json"


def rezip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_an_altered_member_of_a_bundle_is_refused_with_both_sums(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    bundle = Bundle(filepath=str(path))
    bundle.save(MODEL)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    rezip(path, members | {"model.ubj": b"other leaf"})
    problem = r"model.zip: model.ubj: was altered\n  expected: SHA-256 [0-9a-f]{64}\n  found: SHA-256 [0-9a-f]{64}"
    with pytest.raises(DatasetError, match=problem):
        bundle.load()
    rezip(path, members | {"extra": b""})
    with pytest.raises(DatasetError, match=r"has other members.*(\n.*)+'extra'"):
        bundle.load()
    with pytest.raises(DatasetError, match=r"manifest\.json: is written by the bundle itself"):
        bundle.save({"manifest.json": b""})


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_damaged_bundle_is_refused_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("bundle") / "model.zip"
    bundle = Bundle(filepath=str(path))
    bundle.save(MODEL)
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
        damaged = whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]
    path.write_bytes(damaged)
    try:
        assert bundle.load() == MODEL
    except DatasetError as error:
        assert "model.zip" in str(error)  # noqa: PT017
        assert type(error.__cause__).__name__ == "BundleError"  # noqa: PT017
