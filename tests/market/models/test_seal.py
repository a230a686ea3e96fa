"""The seal of a bundle: what was changed after it was written, and what is a pickle, is refused."""

import io
import json
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.errors import BundleError
from assay.market.models import ModelParams, build
from assay.market.models.seal import seal, verify

FILES = {"model.txt": b"tree\nversion=v4\n", "preprocess.json": b'{"medians": [0.5]}', "model.json": b"0.5"}
FAMILIES = ("xgboost", "lightgbm", "catboost", "hist_gradient_boosting", "random_forest", "logistic", "mlp", "drift")


class Runs:
    """Pickled as a call of ``print``."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("opened",)


def zipped(**entries: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def array(values: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, values, allow_pickle=True)
    return out.getvalue()


def test_what_was_sealed_is_accepted_also_after_json() -> None:
    sealed = seal(FILES)
    assert sealed["model.json"] == {
        "bytes": 3,
        "sha256": "d2cbad71ff333de67d07ec676e352ab7f38248eb69c942950157220607c55e84",
    }
    verify(dict(reversed(FILES.items())), json.loads(json.dumps(sealed)))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_model_file_looks_like_a_pickle(family: str) -> None:
    params = ModelParams.model_validate({"kind": family}).root
    if missing := params.missing():
        pytest.skip(missing)
    if "n_estimators" in params.tunable():
        params = params.with_values({"n_estimators": 5})
    if family == "mlp":
        params = params.with_values({"layers": (4,), "max_epochs": 1})
    kind = "classification" if "classification" in params.heads else "regression"
    rng = np.random.default_rng(0)
    model = build(params, kind, seed=0)
    model.fit(rng.standard_normal((300, 2)).astype(np.float32), rng.integers(-1, 2, 300).astype(np.int8))
    files = model.dump()
    verify(files, seal(files))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 10_000), st.integers(1, 255))
def test_one_altered_byte_is_found(name: str, position: int, change: int) -> None:
    content = bytearray(FILES[name])
    content[position % len(content)] ^= change
    with pytest.raises(BundleError, match=rf"model bundle: {name}: was altered\s+expected: sha256 \w{{64}}"):
        verify(FILES | {name: bytes(content)}, seal(FILES))


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 10_000))
def test_a_truncated_file_is_found(name: str, length: int) -> None:
    short = FILES[name][: length % len(FILES[name])]
    with pytest.raises(BundleError, match=rf"{name}: has another size[\s\S]*expected: bytes {len(FILES[name])}"):
        verify(FILES | {name: short}, seal(FILES))


def test_two_files_of_one_size_cannot_change_places() -> None:
    files = {"a.txt": b"one", "b.txt": b"two"}
    with pytest.raises(BundleError, match=r"a\.txt: was altered"):
        verify({"a.txt": b"two", "b.txt": b"one"}, seal(files))


def test_a_missing_file_and_one_too_many_are_found() -> None:
    sealed = seal(FILES)
    with pytest.raises(BundleError, match=r"other files than it was made with[\s\S]*expected: .*model.txt"):
        verify({name: content for name, content in FILES.items() if name != "model.txt"}, sealed)
    with pytest.raises(BundleError, match=r"other files than it was made with[\s\S]*found: .*more.txt"):
        verify(FILES | {"more.txt": b""}, sealed)


PICKLES = {f"protocol {protocol}": pickle.dumps(Runs(), protocol=protocol) for protocol in range(6)} | {
    "plain data": pickle.dumps({"a": [1]}, protocol=0),
    "with text after it": pickle.dumps(Runs(), protocol=0) + b"\ntree\n",
    "cut short": pickle.dumps(np.arange(99), protocol=4)[:40],
    "array of objects": array(np.array([OrderedDict(a=1)], dtype=object)),
    "record of objects": array(np.array([(1, Runs())], dtype=[("a", "i4"), ("b", "O")])),
    "in an archive": zipped(data=b"plain", hidden=pickle.dumps(Runs())),
    "in an archive in an archive": zipped(inner=zipped(hidden=pickle.dumps(Runs()))),
    "in an archive behind a text": b"tree\n" + zipped(hidden=pickle.dumps(Runs())),
}


@pytest.mark.parametrize("content", PICKLES.values(), ids=PICKLES)
def test_a_pickle_is_refused_whatever_the_seal_says(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    files = FILES | {"model.skops": content}
    with pytest.raises(BundleError, match=r"holds a pickle[\s\S]*found: model.skops"):
        seal(files)
    with monkeypatch.context() as patch:
        patch.setattr("assay.market.models.seal._refuse_pickle", lambda *_: None)
        sealed = seal(files)
    with pytest.raises(BundleError, match=r"holds a pickle[\s\S]*found: model.skops"):
        verify(files, sealed)


@pytest.mark.parametrize(
    "content",
    [b"", b"0.25", b"[0.25, 0.5, 0.25]", b"tree.", b"PK\x03\x04 no archive", array(np.arange(3.0)), b"\x93NUMPYx"],
)
def test_plain_content_is_no_pickle(content: bytes) -> None:
    verify({"model": content}, seal({"model": content}))


def test_an_archive_that_cannot_be_read_is_refused() -> None:
    whole = zipped(data=b"plain" * 100)
    broken = whole[:40] + b"\0\0\0\0" + whole[44:]
    with pytest.raises(BundleError, match=r"model\.skops: cannot be read"):
        seal({"model.skops": broken})
