"""The trial ledger: append-only, and every edit, deletion or torn line is noticed."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from kedro.io import DatasetError

from assay.datasets.ledger import GENESIS, TrialLedger


def trials(*numbers: int) -> list[dict]:
    return [{"id": f"t{n}", "scope": "inner", "score": n / 7, "params": {"depth": n}} for n in numbers]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inner_trials.jsonl"


@pytest.fixture
def ledger(path: Path) -> TrialLedger:
    return TrialLedger(filepath=str(path))


def edit(path: Path, change: Callable[[list[bytes]], object]) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    change(lines)
    path.write_bytes(b"".join(lines))


def test_only_unknown_records_are_appended_and_old_lines_stay_as_they_are(ledger: TrialLedger, path: Path) -> None:
    ledger.save(trials(1, 2, 2))
    before = path.read_bytes()
    ledger.save(trials(2, 3, 1))
    assert [record["id"] for record in ledger.load()] == ["t1", "t2", "t3"]
    assert path.read_bytes().startswith(before)
    assert ledger.load()[2]["params"] == {"depth": 3}
    assert ledger.load()[0]["previous"] == GENESIS
    assert len(json.loads(ledger.preview())) == 3
    ledger.save([{"id": "long", "scope": "outer", "net_returns": "x" * 1000}])
    assert len(json.loads(ledger.preview())[-1]["net_returns"]) == 61


def test_the_chain_is_what_it_says(ledger: TrialLedger) -> None:
    from hashlib import sha256

    ledger.save([{"id": "a", "scope": "outer", "by_fold": {2: 0.1, 10: 0.2}}])
    (record,) = ledger.load()
    sealed = '{"by_fold":{"10":0.2,"2":0.1},"id":"a","previous":"' + GENESIS + '","scope":"outer"}'
    assert record["hash"] == sha256(sealed.encode()).hexdigest()


def cut(line: int) -> Callable[[list[bytes]], object]:
    return lambda lines: lines.pop(line)


def rescore(lines: list[bytes]) -> None:
    lines[1] = lines[1].replace(b'"depth":2', b'"depth":9')


def swap(lines: list[bytes]) -> None:
    lines[1], lines[2] = lines[2], lines[1]


def garble(lines: list[bytes]) -> None:
    lines[2] = b"[1, 2]\n"


def unbreak(lines: list[bytes]) -> None:
    lines[-1] = lines[-1].rstrip()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rescore, r"line 2: was edited after it was written"),
        (cut(0), r"line 1: does not follow the line before"),
        (cut(2), r"line 3: does not follow the line before"),
        (cut(3), r"line 4: records were deleted from the end\n  expected: 4\n  found: 3"),
        (list.clear, r"line 1: records were deleted from the end"),
        (swap, r"line 2: does not follow the line before"),
        (garble, r"line 3: is no record"),
        (unbreak, r"line 4: records were deleted from the end"),
        (lambda lines: lines.append(b"{}\n"), r"line 5: is no record"),
    ],
)
def test_changed_history_is_an_error_with_its_line(
    ledger: TrialLedger, path: Path, change: Callable, message: str
) -> None:
    ledger.save(trials(1, 2, 3, 4))
    edit(path, change)
    changed = path.read_bytes()
    with pytest.raises(DatasetError, match=f"inner_trials.jsonl, {message}"):
        ledger.load()
    with pytest.raises(DatasetError, match="restore the file from a copy"):
        ledger.save(trials(5))
    assert path.read_bytes().startswith(changed.rpartition(b"\n")[0])


def test_a_forged_last_record_is_noticed(ledger: TrialLedger, path: Path, tmp_path: Path) -> None:
    ledger.save(trials(1))
    other = TrialLedger(filepath=str(tmp_path / "other.jsonl"))
    other.save(trials(2))
    path.write_bytes((tmp_path / "other.jsonl").read_bytes())
    with pytest.raises(DatasetError, match="line 1: the record was replaced"):
        ledger.load()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"records": 2}'])
def test_a_damaged_memory_of_the_newest_record_is_a_clear_error(ledger: TrialLedger, path: Path, content: str) -> None:
    ledger.save(trials(1, 2))
    before = path.read_bytes()
    path.with_name(f"head.{path.name}").write_text(content)
    for use in (ledger.load, lambda: ledger.save(trials(3))):
        with pytest.raises(DatasetError, match=r"head\.inner_trials\.jsonl: is damaged.*\n.*\n  what to do: restore"):
            use()
    assert path.read_bytes() == before


def test_a_torn_last_line_is_no_record_and_is_cut_off_by_the_next_append(ledger: TrialLedger, path: Path) -> None:
    ledger.save(trials(1, 2))
    for torn in (b'{"id":"t3","sco', b"{", b"\x00" * 700):
        path.write_bytes(path.read_bytes() + torn)
        assert [record["id"] for record in ledger.load()] == ["t1", "t2"]
        ledger.save(trials(2))
        assert path.read_bytes().endswith(b"}\n")
    ledger.save(trials(3))
    assert [record["id"] for record in ledger.load()] == ["t1", "t2", "t3"]


def test_a_kill_between_the_record_and_its_acknowledgement_loses_nothing(ledger: TrialLedger, path: Path) -> None:
    head = path.with_name("head.inner_trials.jsonl")
    ledger.save(trials(1))
    old = head.read_bytes()
    ledger.save(trials(2))
    head.write_bytes(old)
    assert len(ledger.load()) == 2
    ledger.save(trials(3))
    assert [record["id"] for record in ledger.load()] == ["t1", "t2", "t3"]


@pytest.mark.parametrize("record", [{"scope": "inner"}, {"id": "a"}, {"id": "a", "scope": "inner", "hash": "0"}])
def test_a_record_that_cannot_be_chained_is_refused(ledger: TrialLedger, record: dict) -> None:
    ledger.save(trials(1))
    with pytest.raises(DatasetError, match="cannot be recorded\n  expected: id and scope, and neither previous nor"):
        ledger.save([*trials(2), record])
    assert len(ledger.load()) == 1


def test_growth_keeps_an_older_fingerprint_valid(ledger: TrialLedger) -> None:
    ledger.save(trials(1, 2))
    old = ledger.fingerprint()
    ledger.save(trials(3))
    assert ledger.fingerprint() != old
    assert ledger.holds(old)
    assert not ledger.holds("f" * 64)


WRITER = """
    import sys
    from assay.datasets.ledger import TrialLedger
    ledger = TrialLedger(filepath=sys.argv[1])
    for n in range(40):
        ledger.save([{"id": f"{sys.argv[2]}{n}", "scope": "outer"}, {"id": f"shared{n}", "scope": "outer"}])
"""


def test_two_processes_append_without_losing_or_doubling_a_record(ledger: TrialLedger, path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path)]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    while any(writer.poll() is None for writer in writers):
        if ledger.exists():
            ledger.load()
    assert [writer.returncode for writer in writers] == [0, 0]
    found = [record["id"] for record in ledger.load()]
    assert sorted(found) == sorted(f"{name}{n}" for name in ("a", "b", "shared") for n in range(40))


KILLER = """
    import os, random, signal, sys, time
    from assay.datasets.ledger import TrialLedger

    random.seed(3)
    path = sys.argv[1]
    for round in range(15):
        ledger = TrialLedger(filepath=f"{path}{round // 3}")
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            for n in range(10**6):
                ledger.save([{"id": f"{round}-{n}", "scope": "outer", "returns": "0" * 2**21}])
                os.write(writer, f"{round}-{n} ".encode())
        os.close(writer)
        first = os.read(reader, 2**16).decode()
        time.sleep(random.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        acknowledged = set((first + os.read(reader, 2**20).decode()).split())
        found = {record["id"] for record in ledger.load()}
        assert acknowledged and acknowledged <= found, acknowledged - found
"""


def test_kill_in_mid_append_loses_no_acknowledged_trial(path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLER), str(path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
