"""Alpha158 in plain polars, straight from the definitions: the oracle of the kernel and its rival in the benchmark."""

from collections.abc import Iterator

import polars as pl

LENGTHS = (5, 10, 20, 30, 60)
EPS = 1e-12
MANY = 2.0**24  # more rows than an entity has
PRICES = ("open", "high", "low", "close", "volume", "vwap")

OPEN, HIGH, LOW, CLOSE, VOLUME, VWAP = (pl.col(name) for name in PRICES)
TOP = pl.when(OPEN > CLOSE).then(OPEN).when(CLOSE.is_not_null()).then(CLOSE)
BOTTOM = pl.when(OPEN < CLOSE).then(OPEN).when(CLOSE.is_not_null()).then(CLOSE)

SIMPLE = {
    "KMID": (CLOSE - OPEN) / OPEN,
    "KLEN": (HIGH - LOW) / OPEN,
    "KMID2": (CLOSE - OPEN) / (HIGH - LOW + EPS),
    "KUP": (HIGH - TOP) / OPEN,
    "KUP2": pl.when(OPEN.is_not_null()).then((HIGH - TOP) / (HIGH - LOW + EPS)),
    "KLOW": (BOTTOM - LOW) / OPEN,
    "KLOW2": pl.when(OPEN.is_not_null()).then((BOTTOM - LOW) / (HIGH - LOW + EPS)),
    "KSFT": (2 * CLOSE - HIGH - LOW) / OPEN,
    "KSFT2": (2 * CLOSE - HIGH - LOW) / (HIGH - LOW + EPS),
    "OPEN0": OPEN / CLOSE,
    "HIGH0": HIGH / CLOSE,
    "LOW0": LOW / CLOSE,
    "VWAP0": VWAP / CLOSE,
}


def reference(bars: pl.DataFrame, *, compat: str | None = None) -> pl.DataFrame:
    """All 158 factors of bars with a vwap; NaN where undefined, Float32, sorted by entity and time."""
    rolling = {name: e.over("entity") for family in _FAMILIES for d in LENGTHS for name, e in family(d, compat)}
    columns = SIMPLE | {name: rolling[name] for name in (f"{family}{d}" for family in _ORDER for d in LENGTHS)}
    return (
        _prepared(bars.lazy())
        .select("entity", "time", *[e.cast(pl.Float32).fill_null(float("nan")).alias(n) for n, e in columns.items()])
        .collect()
    )


def _prepared(bars: pl.LazyFrame) -> pl.LazyFrame:
    """The bars with the derived series; whatever is not finite is missing."""
    last, lately = pl.col("last"), pl.col("lately")
    return (
        bars.sort("entity", "time")
        .select("entity", "time", *[_known(pl.col(name).cast(pl.Float64)) for name in PRICES])
        .with_columns(
            i=pl.int_range(1, pl.len() + 1).cast(pl.Float64).over("entity"),
            last=CLOSE.shift(1).over("entity"),
            lately=VOLUME.shift(1).over("entity"),
        )
        .with_columns(
            r=_known(CLOSE / last),
            g=_known((VOLUME / lately + 1).log()),
            u=_known((VOLUME + 1).log()),
            z=_known((CLOSE / last - 1).abs() * VOLUME),
            move=CLOSE - last,
            volume_move=VOLUME - lately,
            up=(last < CLOSE).fill_null(value=False).cast(pl.Float64),
            down=(last > CLOSE).fill_null(value=False).cast(pl.Float64),
            oldest_highest=HIGH.rank("dense").over("entity") * MANY + MANY - pl.col("i"),
            oldest_lowest=LOW.rank("dense", descending=True).over("entity") * MANY + MANY - pl.col("i"),
        )
        .with_columns(
            i_close=pl.when(CLOSE.is_not_null()).then("i"),
            close_u=pl.when(pl.col("u").is_not_null()).then(CLOSE),
            u_close=pl.when(CLOSE.is_not_null()).then("u"),
            r_g=pl.when(pl.col("g").is_not_null()).then("r"),
            g_r=pl.when(pl.col("r").is_not_null()).then("g"),
        )
    )


def _known(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite()).then(value)


def _mean(x: str, d: int) -> pl.Expr:
    return pl.col(x).rolling_mean(d, min_samples=1)


def _sd(x: str, d: int) -> pl.Expr:
    return pl.col(x).rolling_std(d, min_samples=1)


def _total(x: pl.Expr, d: int) -> pl.Expr:
    return x.rolling_sum(d, min_samples=1)


def _flat(x: str, d: int, compat: str | None) -> pl.Expr:
    return _sd(x, d) <= 2e-5 * (1 if compat == "qlib" else _mean(x, d).abs())


def _correlation(x: str, y: str, d: int, compat: str | None) -> pl.Expr:
    value = pl.rolling_corr(x, y, window_size=d, min_samples=2)
    return pl.when(~(_flat(x, d, compat) | _flat(y, d, compat))).then(value)


Columns = Iterator[tuple[str, pl.Expr]]


def _level(d: int, _: str | None) -> Columns:
    yield f"ROC{d}", CLOSE.shift(d) / CLOSE
    yield f"MA{d}", _mean("close", d) / CLOSE
    yield f"STD{d}", _sd("close", d) / CLOSE
    high, low = HIGH.rolling_max(d, min_samples=1), LOW.rolling_min(d, min_samples=1)
    yield f"MAX{d}", high / CLOSE
    yield f"MIN{d}", low / CLOSE
    yield f"RSV{d}", (CLOSE - low) / (high - low + EPS)
    for name, share in (("QTLU", 0.8), ("QTLD", 0.2)):
        yield f"{name}{d}", CLOSE.rolling_quantile(share, interpolation="linear", window_size=d, min_samples=1) / CLOSE
    count = CLOSE.is_not_null().cast(pl.Float64).rolling_sum(d, min_samples=1)
    yield f"RANK{d}", CLOSE.rolling_rank(d, method="average", min_samples=1) / count


def _trend(d: int, compat: str | None) -> Columns:
    span = _sd("i_close", d)
    slope = pl.rolling_cov("close", "i_close", window_size=d, min_samples=2) / span**2
    yield f"BETA{d}", slope / CLOSE
    fit = pl.rolling_corr("close", "i_close", window_size=d, min_samples=2) ** 2
    yield f"RSQR{d}", pl.when(~_flat("close", d, compat)).then(fit)
    residual = CLOSE - _mean("close", d) - slope * (pl.col("i") - _mean("i_close", d))
    yield f"RESI{d}", residual / CLOSE


def _extremes(d: int, _: str | None) -> Columns:
    highest, lowest = _position("oldest_highest", d), _position("oldest_lowest", d)
    yield f"IMAX{d}", highest / d
    yield f"IMIN{d}", lowest / d
    yield f"IMXD{d}", (highest - lowest) / d


def _position(order: str, d: int) -> pl.Expr:
    """Position in the window of the row that comes first in an order whose numbers carry the row they are of."""
    row = MANY - pl.col(order).rolling_max(d, min_samples=1) % MANY
    return row - pl.max_horizontal(pl.col("i") - d, 0)


def _correlations(d: int, compat: str | None) -> Columns:
    yield f"CORR{d}", _correlation("close_u", "u_close", d, compat)
    yield f"CORD{d}", _correlation("r_g", "g_r", d, compat)


def _counts(d: int, _: str | None) -> Columns:
    up, down = _mean("up", d), _mean("down", d)
    yield f"CNTP{d}", up
    yield f"CNTN{d}", down
    yield f"CNTD{d}", up - down


def _shares(d: int, _: str | None) -> Columns:
    for prefix, column in (("", "move"), ("V", "volume_move")):
        move = pl.col(column)
        total = _total(move.abs(), d) + EPS
        gain, loss = _total(move.clip(lower_bound=0), d) / total, _total((-move).clip(lower_bound=0), d) / total
        yield f"{prefix}SUMP{d}", gain
        yield f"{prefix}SUMN{d}", loss
        yield f"{prefix}SUMD{d}", gain - loss


def _volumes(d: int, _: str | None) -> Columns:
    yield f"VMA{d}", _mean("volume", d) / (VOLUME + EPS)
    yield f"VSTD{d}", _sd("volume", d) / (VOLUME + EPS)
    yield f"WVMA{d}", _sd("z", d) / (_mean("z", d) + EPS)


_FAMILIES = (_level, _trend, _extremes, _correlations, _counts, _shares, _volumes)
_ORDER = (
    *("ROC", "MA", "STD", "BETA", "RSQR", "RESI", "MAX", "MIN", "QTLU", "QTLD"),
    *("RANK", "RSV", "IMAX", "IMIN", "IMXD", "CORR", "CORD", "CNTP", "CNTN", "CNTD"),
    *("SUMP", "SUMN", "SUMD", "VMA", "VSTD", "WVMA", "VSUMP", "VSUMN", "VSUMD"),
)
