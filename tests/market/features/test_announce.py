"""Compiled kernels are kept where one may write, and a first run says why it takes longer."""

import logging
import os
from pathlib import Path

import numba
import pytest

from assay.market.features import announce
from assay.market.features.announce import announced


def test_a_long_body_is_announced_and_a_short_one_is_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with announced("a short one"):
        pass
    assert caplog.messages == []
    monkeypatch.setattr(announce, "PATIENCE", 0.0)
    with announced("the kernels"):
        while not caplog.messages:
            pass
    assert caplog.messages == ["compiling the kernels, once: some seconds; kept for later runs"]


def test_without_a_writable_place_the_process_gets_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    with announced("x"):
        assert numba.config.CACHE_DIR == ""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with announced("x"):
        folder = Path(numba.config.CACHE_DIR)
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0
