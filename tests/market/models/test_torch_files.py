"""Networks as files: the same bytes, read back to the last bit, and refused when damaged or foreign."""

import io
import pickle
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from assay.market.errors import BundleError
from assay.market.models.base import ModelRule
from assay.market.models.lstm import LSTM
from assay.market.models.network import MLP
from assay.market.models.torch_files import pack, unpack

torch = pytest.importorskip("torch", reason="the package torch is not installed")

FILE = "model.npz"
RULE = MLP(layers=(8,), max_epochs=2, batch_size=32)


@pytest.fixture(scope="module")
def content() -> bytes:
    X = np.random.default_rng(0).standard_normal((100, 3)).astype(np.float32)
    model = RULE.create("regression", seed=0)
    model.fit(X, X[:, 0], (X, X[:, 0]))
    assert model.best_iteration == 2
    return model.dump()[FILE]


def test_a_reopened_network_is_the_same_to_the_last_bit(content: bytes) -> None:
    X = np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    once, twice = (RULE.restore({FILE: content}, "regression") for _ in range(2))
    np.testing.assert_array_equal(once.predict(X), twice.predict(X))
    np.testing.assert_array_equal(once.importance(), twice.importance())
    assert once.best_iteration == 2
    assert once.dump() == {FILE: content}


def test_numpy_reads_it_without_pickle(content: bytes) -> None:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        assert archive["network.head.weight"].shape == (1, 8)


def test_entries_carry_no_clock(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_missing_file_is_named() -> None:
    with pytest.raises(BundleError, match=r"a file is missing[\s\S]*expected: model\.npz"):
        RULE.restore({"other": b""}, "regression")


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:200] + b"\x00\x01\x02\x03" + content[204:],
        lambda _: pickle.dumps({"network": 1}),
    ],
    ids=["empty", "truncated", "changed", "a pickle"],
)
def test_a_damaged_file_is_refused(content: bytes, damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BundleError, match=r"network: cannot be read"):
        RULE.restore({FILE: damage(content)}, "regression")


def test_an_array_of_objects_is_refused() -> None:
    out = io.BytesIO()
    np.savez(out, allow_pickle=True, means=np.array([{"a": 1}], dtype=object))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("about.json", "{}")
    with pytest.raises(BundleError, match=r"Object arrays cannot be loaded"):
        unpack(out.getvalue())


@pytest.mark.parametrize(
    ("rule", "kind"),
    [(RULE, "binary"), (LSTM(), "regression")],
    ids=["another head", "another family"],
)
def test_another_network_is_refused(content: bytes, rule: ModelRule, kind: str) -> None:
    with pytest.raises(BundleError, match=r"is not the one that was asked for[\s\S]*found: \{'family': 'mlp'"):
        rule.restore({FILE: content}, kind)  # type: ignore[arg-type]


def test_another_architecture_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"expected: .*head.weight': \(\(1, 9\)[\s\S]*found: .*\(\(1, 8\)"):
        MLP(layers=(9,)).restore({FILE: content}, "regression")


def test_weights_that_are_no_numbers_are_refused(content: bytes) -> None:
    arrays, about = unpack(content)
    arrays["network.head.bias"][0] = np.nan
    with pytest.raises(BundleError, match="values that are no numbers"):
        RULE.restore({FILE: pack(arrays, about)}, "regression")


def test_a_description_that_is_no_document_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("about.json", "3")
    with pytest.raises(BundleError, match="no document"):
        unpack(out.getvalue())
