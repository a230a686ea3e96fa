"""Alpha158 against polars, pandas and Qlib in one run, and all features of the crypto workload, as Markdown tables.

    python benchmarks/features.py                              # 300 entities x 2500 days
    python benchmarks/features.py --qlib VENV/bin/python       # with Qlib, from the environment that has it
    python benchmarks/features.py --bars FILE.parquet          # crypto features on your own bars

Each contender runs in a process of its own, on the same made-up bars; peak memory is that of the whole process. Seconds
are the best of the runs said, of one session on one machine: compare the ratios. Compilation is not among them.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

ROOT = Path(__file__).parents[1]
DAYS = 2500
FEEDS = ("vix_close", "vix_age", "wti_price", "wti_age", "funding_rate", "funding_age", "open_interest_age")


def best(work: Callable[[], object], runs: int) -> dict[str, float]:
    """Fewest seconds of some runs, and fewest of the processor, which other programs disturb less."""
    seconds, cpu = [], []
    for _ in range(runs):
        began, began_cpu = time.perf_counter(), time.process_time()
        result = work()
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
        del result
    return {"seconds": min(seconds), "cpu": min(cpu)}


def peak() -> float:
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def means(columns: dict[str, np.ndarray]) -> dict[str, float]:
    """What contenders are compared by: the mean of each factor."""
    return {name: float(np.nanmean(values, dtype=float)) for name, values in columns.items()}


def by_kernel(entities: int, threads: int | None) -> dict:
    """Seconds of the whole history and of its newest day: found in all bars, and in the last 61 of each entity."""
    import polars as pl
    from bars import made_up

    from assay.market.features import alpha158

    bars = pl.DataFrame(made_up(entities, DAYS))
    tail = bars.group_by("entity", maintain_order=True).tail(61)
    newest = bars["time"].max()
    alpha158(tail)
    factors = {}

    def whole() -> None:
        factors["all"] = None
        factors["all"] = alpha158(bars, threads=threads)

    took = best(whole, 5)
    memory = peak()
    found = {name: factors["all"][name].to_numpy() for name in factors["all"].columns[2:]}
    day = {
        "day_of_all": best(lambda: alpha158(bars, since=newest, threads=threads), 9)["seconds"],
        "day_of_tail": best(lambda: alpha158(tail, since=newest, threads=threads), 9)["seconds"],
    }
    return took | {"peak": memory, "means": means(found)} | day


def by_polars(entities: int) -> dict:
    import polars as pl
    from bars import made_up

    bars = pl.DataFrame(made_up(entities, DAYS))
    reference = _reference()
    took = best(lambda: reference.reference(bars), 3)
    memory = peak()
    found = reference.reference(bars)
    return took | {"peak": memory, "means": means({name: found[name].to_numpy() for name in found.columns[2:]})}


def _reference() -> ModuleType:
    path = ROOT / "tests/market/features/alpha158_reference.py"
    spec = importlib.util.spec_from_file_location("alpha158_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_pandas(entities: int) -> dict:
    import pandas as pd
    from alpha158_pandas import factors
    from bars import made_up

    bars = pd.DataFrame(made_up(entities, DAYS))
    found = {}
    took = best(lambda: found.update(factors(bars).items()), 1)
    return took | {"peak": peak(), "means": means({name: values.to_numpy() for name, values in found.items()})}


def by_engine(file: str | None) -> dict:
    """All features of the crypto workload's families on 155,000 bars."""
    import polars as pl
    import yaml

    from assay.market.features import FeatureRule, engineer

    parameters = yaml.safe_load((ROOT / "conf/base/crypto/parameters.yml").read_text())
    block = parameters["crypto"]["features"]
    names = {"symbol": "entity", "open_time": "time"}
    panel = pl.read_parquet(file).rename(names, strict=False) if file else pl.DataFrame(_crypto(12, 12_917))
    panel = panel.with_columns(pl.col("time").dt.replace_time_zone("UTC").dt.cast_time_unit("us"))
    rule = FeatureRule(families=tuple(block["families"]), **{k: v for k, v in block.items() if k != "families"})
    features, catalogue = engineer(panel, rule)
    took = best(lambda: engineer(panel, rule), 3)
    return took | {
        "peak": peak(),
        "rows": features.height,
        "features": features.width - 2,
        "disabled": len(catalogue["disabled"]),
    }


def _crypto(entities: int, rows: int) -> dict[str, np.ndarray]:
    from bars import made_up

    bars = made_up(entities, rows)
    rng = np.random.default_rng(0)
    bars["time"] = (bars["time"] - bars["time"][0]) // 6 + np.datetime64("2020-01-01", "us")  # a day becomes four hours
    bars["quote_volume"] = bars["volume"] * bars["vwap"]
    bars["taker_buy_volume"] = bars["volume"] * rng.uniform(0.2, 0.8, len(bars["volume"]))
    bars["open_interest_amount"] = np.exp(rng.normal(10, 0.1, len(bars["volume"])))
    bars["open_interest_value"] = bars["open_interest_amount"] * bars["close"]
    return bars | {name: rng.uniform(1, 4, len(bars["volume"])) for name in FEEDS}


CONTENDERS = {"kernel": by_kernel, "polars": by_polars, "pandas": by_pandas, "engine": by_engine}


def run(contender: str, *arguments: object, one_thread: bool = True) -> dict:
    """The result of a contender, from a process of its own."""
    command = [sys.executable, __file__, "--contender", contender, json.dumps(arguments)]
    return _result(command, one_thread=one_thread)


def _result(command: list[str], *, one_thread: bool) -> dict:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    if one_thread:
        environment |= dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def against_others(entities: int, qlib: str | None) -> str:
    """Alpha158 by every contender, as a table."""
    kernel = run("kernel", entities, 1)
    found = {
        "Assay, one thread": kernel,
        f"Assay, {os.cpu_count()} threads": run("kernel", entities, None, one_thread=False),
        "polars, one thread": run("polars", entities),
        f"polars, {os.cpu_count()} threads": run("polars", entities, one_thread=False),
        "pandas": run("pandas", entities),
    }
    if qlib:
        script = str(Path(__file__).with_name("alpha158_qlib.py"))
        result = _result([qlib, script, str(entities), str(DAYS)], one_thread=True)
        found[f"Qlib {result['version']}, one process"] = result
    rows = [
        f"| {name} | {each['seconds']:.2f} | {each['seconds'] / kernel['seconds']:.1f} | {each['cpu']:.2f} | "
        f"{each['cpu'] / kernel['cpu']:.1f} | {each['peak']:,.0f} | "
        f"{deviation(each['means'], kernel['means']):.0e} |"
        for name, each in found.items()
    ]
    head = (
        f"| Alpha158, {entities} x {DAYS} bars | seconds | ratio | CPU seconds | ratio | peak MiB | means differ by |"
    )
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


def deviation(left: dict[str, float], right: dict[str, float]) -> float:
    """Largest difference of two contenders' means."""
    return max(abs(left[name] - right[name]) for name in right)


def by_size(sizes: tuple[int, ...]) -> str:
    """Seconds and memory of the kernel over the number of entities, and of one new day, as a table."""
    rows = []
    for entities in sizes:
        found = run("kernel", entities, 1)
        per_million = found["seconds"] / (entities * DAYS) * 1e6
        rows.append(
            f"| {entities} x {DAYS} | {found['seconds']:.2f} | {per_million:.2f} | {found['peak']:,.0f} | "
            f"{found['day_of_all'] * 1e3:.0f} ms ({found['seconds'] / found['day_of_all']:.0f}x) | "
            f"{found['day_of_tail'] * 1e3:.0f} ms ({found['seconds'] / found['day_of_tail']:.0f}x) |"
        )
    head = "| bars, one thread | seconds | per million | peak MiB | newest day, of all bars | of the last 61 |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def of_crypto(file: str | None) -> str:
    """All features of the crypto workload, as a table."""
    rows = []
    for threads, one_thread in (("one thread", True), (f"{os.cpu_count()} threads", False)):
        found = run("engine", file, one_thread=one_thread)
        rows.append(
            f"| {found['rows']:,} bars, {found['features']} features ({found['disabled']} disabled), {threads} | "
            f"{found['seconds']:.2f} | {found['peak']:,.0f} |"
        )
    return "\n".join(["| crypto families | seconds | peak MiB |", "|---|---|---|", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, default=300)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 300, 1000])
    parser.add_argument("--qlib", metavar="PYTHON", help="interpreter of an environment with pyqlib")
    parser.add_argument("--bars", metavar="FILE", help="Parquet file with bars for the crypto features")
    parser.add_argument("--contender", nargs=2, metavar=("NAME", "ARGUMENTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        name, arguments = options.contender
        print(json.dumps(CONTENDERS[name](*json.loads(arguments))))
        return
    print(
        against_others(options.entities, options.qlib),
        by_size(tuple(options.sizes)),
        of_crypto(options.bars),
        sep="\n\n",
    )


if __name__ == "__main__":
    main()
