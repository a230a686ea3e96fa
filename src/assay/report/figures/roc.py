"""Multi-class ROC curves, one class against the rest."""

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.market.tables import CLASS_NAMES
from assay.report.figures.canvas import LONG, MUTED, NEUTRAL, SHORT, THIRD, axes, draw
from assay.report.figures.thin import evenly

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = dict(zip(CLASS_NAMES, (SHORT, NEUTRAL, LONG), strict=True))


def roc_figure(curves: dict[str, dict[str, Any]], *, slug: str, title: str) -> Markup:
    """Draw one curve per class against the diagonal of no skill.

    Args:
        curves: Per class ``fpr``, ``tpr`` and ``auc``.
        slug: Unique on the page.
        title: Name of the model, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(40, 8, 8, 40))
        panel.plot([0, 1], [0, 1], color=MUTED, linewidth=1, dashes=(3, 3))
        for row, (name, curve) in enumerate(curves.items()):
            colour = _COLOURS[name]
            kept = evenly(len(curve["fpr"]), 160)
            panel.plot([curve["fpr"][i] for i in kept], [curve["tpr"][i] for i in kept], color=colour, linewidth=1.8)
            panel.text(0.98, 0.06 + 0.09 * (len(curves) - 1 - row), _legend(name, curve), color=colour, ha="right")
        panel.set(
            xlim=(0, 1), ylim=(0, 1), xlabel="false alarms", ylabel="hits", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1]
        )

    said = ", ".join(_legend(name, curve) for name, curve in curves.items())
    return draw(paint, (THIRD, 280), slug=slug, label=f"ROC of {title}, each class against the rest: {said}")


def _legend(name: str, curve: dict[str, Any]) -> str:
    return f"{name}  AUC {curve['auc']:.3f}"
