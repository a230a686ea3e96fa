"""The state of torch that all of a process shares, borrowed and given back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_ONE_AT_A_TIME = RLock()  # two fits in one process would draw from the same generator


@contextmanager
def borrowed_torch(*, threads: int, seed: int | None = None) -> Iterator[None]:
    """Set what a computation depends on, whatever the caller has set, and restore the caller's settings at the end.

    Args:
        threads: CPU threads; 0 = all cores.
        seed: Seed of what is drawn at random; None: nothing is drawn.
    """
    import os

    import torch

    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[], enabled=seed is not None):
        before, dtype = torch.get_num_threads(), torch.get_default_dtype()
        try:
            torch.set_num_threads(threads or os.cpu_count() or 1)
            torch.set_default_dtype(torch.float32)
            if seed is not None:
                torch.default_generator.manual_seed(seed)
            with torch.inference_mode(mode=False), torch.enable_grad():
                yield
        finally:
            torch.set_num_threads(before)
            torch.set_default_dtype(dtype)
