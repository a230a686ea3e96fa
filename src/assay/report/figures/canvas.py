"""The canvas all figures share: one style, and SVG whose colours and fonts follow the page."""

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.format import slug as slugify

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Drawn with these colours, which nothing else produces; the SVG text then says `var(--ink)` instead.
INK, MUTED, LINE, ACCENT, SURFACE = "#f0f101", "#f0f102", "#f0f103", "#f0f104", "#f0f105"
SHORT, NEUTRAL, LONG, SOFT = "#f0f106", "#f0f107", "#f0f108", "#f0f109"
BAD = "#f0f10a"
RAMP = tuple(f"#f0f1{shade:02x}" for shade in range(16, 25))  # from faint to strong, for what grows
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    ACCENT: "--accent",
    SURFACE: "--surface",
    SHORT: "--short",
    NEUTRAL: "--neutral",
    LONG: "--long",
    SOFT: "--soft",
    BAD: "--bad",
    **{shade: f"--ramp-{place}" for place, shade in enumerate(RAMP)},
}
THIRD = 308  # pixels a figure gets when three stand side by side
_STYLE: dict[Any, object] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "assay",
    "text.parse_math": False,
    "text.color": INK,
    "font.size": 12,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 12,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 1.0,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "xtick.major.pad": 6,
    "ytick.major.pad": 6,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True)
class Box:
    """A filled rectangle in the coordinates of the data: its lower corner and its size."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    alpha: float = 1.0


@contextmanager
def _styled() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the user's own matplotlibrc says must not change the bytes
        mpl.rcParams.update(_STYLE)
        yield


def draw(paint: Callable[["Figure"], None], size: tuple[int, int], *, slug: str, label: str) -> Markup:
    """Draw a figure and return it as inline SVG.

    Args:
        paint: Fills the empty figure.
        size: Width and height in CSS pixels at full size.
        slug: Unique on the page; prefixes the ids inside the drawing.
        label: What the figure shows and says, for readers who do not see it.

    Returns:
        The ``<svg>`` element: no fixed fonts, no external references, the same bytes for the same figure.
    """
    with _styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=72, facecolor="none")
        paint(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), size, slug=slugify(slug), label=label)


def axes(figure: "Figure", *, margins: tuple[float, float, float, float]) -> "Axes":
    """Add axes with the given margins (left, right, top, bottom) in pixels."""
    width, height = (side * 72 for side in figure.get_size_inches())
    left, right, top, bottom = margins
    box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    return figure.add_axes(box)


def boxes(panel: "Axes", places: Sequence[Box]) -> None:
    """Fill many rectangles at once; each on its own would be slow. The limits of the axes stay as they are."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    sides = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in places]
    corners = [[(left, low), (right, low), (right, high), (left, high)] for left, low, right, high in sides]
    colours = [to_rgba(box.colour, box.alpha) for box in places]
    panel.add_collection(PolyCollection(corners, facecolors=colours, linewidths=0), autolim=False)


def _inline(svg: str, size: tuple[int, int], *, slug: str, label: str) -> Markup:
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = body[body.index(">") + 1 :]
    body = _unclipped(_compact(_own_ids(body, slug)))
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    head = Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">')
    return head.format(label, *size, *size) + Markup(body)  # noqa: S704 -- matplotlib escapes its text


def _own_ids(body: str, slug: str) -> str:
    """Short ids that no other drawing of the page has: thousands of points name theirs."""
    own = hashlib.sha256(slug.encode()).hexdigest()[:8]
    used = dict.fromkeys(re.findall(r'(?:href="|url\()#([^")]+)', body))
    names = {name: f"i{own}-{place}" for place, name in enumerate(used)}

    def rename(match: re.Match[str]) -> str:
        return f' id="{names[match[1]]}"' if match[1] in names else ""

    body = re.sub(r' id="([^"]*)"', rename, body)
    return re.sub(r'(?:xlink:)?(href="|url\()#([^")]+)', lambda found: f"{found[1]}#{names[found[2]]}", body)


def _unclipped(body: str) -> str:
    """Leave the clipping out where it cuts nothing: most paths lie inside their axes."""
    frames = {
        name: [float(side) for side in sides]
        for name, *sides in re.findall(
            r'<clipPath id="([^"]+)">\s*<rect x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)"', body
        )
    }

    def inside(match: re.Match[str]) -> str:
        left, top, width, height = frames[match[3]]
        points = [float(number) for number in re.findall(r"-?\d+\.?\d*", match[1])]
        across, down = points[::2], points[1::2]
        fits = left <= min(across) and max(across) <= left + width and top <= min(down) and max(down) <= top + height
        return f'<path d="{match[1]}"{match[2]}' if fits else match[0]

    return re.sub(r'<path d="([^"]+)"([^>]*?) clip-path="url\(#([^)]+)\)"', inside, body)


def _compact(body: str) -> str:
    return re.sub(r">\s+<", "><", re.sub(r"<[^>]+>", lambda tag: _compact_tag(tag[0]), body)).strip()


def _compact_tag(tag: str) -> str:
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    tag = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", tag)
    tag = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), tag)
    return re.sub(r"\s*\n\s*", " ", tag)
