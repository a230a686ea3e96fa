"""Alpha158 by Qlib, run by the interpreter of an environment that has it: seconds, peak memory and means, as JSON.

The bars are written in Qlib's own format first. The seconds are those of the 158 expressions less those of loading the
six columns, in one process, without caches on disk.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bars import PRICES, made_up


def write(folder: Path, bars: dict[str, np.ndarray], entities: int, days: int) -> None:
    """Put bars into a folder as Qlib reads them: a calendar, a list of instruments, one float32 file per column."""
    calendar = [str(day)[:10] for day in bars["time"][:days]]
    names = bars["entity"][::days]
    for part in ("calendars", "instruments"):
        (folder / part).mkdir()
    (folder / "calendars/day.txt").write_text("\n".join(calendar))
    lines = [f"{name}\t{calendar[0]}\t{calendar[-1]}" for name in names]
    (folder / "instruments/all.txt").write_text("\n".join(lines))
    for i in range(entities):
        place = folder / "features" / names[i].lower()
        place.mkdir(parents=True)
        for column in PRICES:
            values = bars[column][i * days : (i + 1) * days]
            np.r_[0, values].astype("<f4").tofile(place / f"{column}.day.bin")


def clocks() -> np.ndarray:
    """Seconds that passed and seconds of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def main(entities: int, days: int) -> dict:
    import qlib
    from qlib.contrib.data.loader import Alpha158DL
    from qlib.data import D

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), made_up(entities, days), entities, days)
        qlib.init(provider_uri=folder, region="cn", kernels=1, expression_cache=None, dataset_cache=None)
        fields, names = Alpha158DL.get_feature_config()
        began = clocks()
        D.features(D.instruments("all"), [f"${column}" for column in PRICES], freq="day")
        loaded = clocks()
        table = D.features(D.instruments("all"), fields, freq="day")
        seconds, cpu = (clocks() - loaded) - (loaded - began)
    means = dict(zip(names, np.nanmean(table.to_numpy(), axis=0, dtype=float).tolist(), strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": cpu, "peak": peak, "means": means, "version": qlib.__version__}


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:]))))
