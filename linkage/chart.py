"""What a link threshold gives (阈值图): expected precision and recall, from the match weights alone.

A weight w says that a pair is one entity with probability 2^w / (1 + 2^w). Summed over the pairs above a threshold that
is the number of true pairs among them; no truth is needed. Pairs that no blocking rule proposes are not in the sums, so
recall is that among the pairs that were looked at. The figures are as good as the weights are calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from linkage.model import Model
from linkage.svg import Axis, Plot
from schemas.entities import ENTITIES

Floats = npt.NDArray[np.float64]

_STEP: Final = 0.25
_HIGHEST: Final = 40.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Expected quality by threshold.

    Attributes:
        threshold: match weights, rising.
        precision: expected share of true pairs among those from the threshold on; 1 where there are none.
        recall: expected share of the true pairs that reach the threshold; 1 where there are none.
        pairs: pairs from the threshold on.
    """

    threshold: Floats
    precision: Floats
    recall: Floats
    pairs: npt.NDArray[np.int64]

    def at(self, threshold: float) -> tuple[float, float, int]:
        """Return precision, recall and pairs at a threshold, those of the nearest step."""
        i = int(np.argmin(np.abs(self.threshold - threshold)))
        return float(self.precision[i]), float(self.recall[i]), int(self.pairs[i])


def curve(weights: Floats, *, lowest: float) -> Curve:
    """Return what every threshold from `lowest` on would give for pairs of these match weights."""
    rising = np.sort(weights.astype(np.float64))
    posterior = 1.0 / (1.0 + np.exp2(-rising))
    true_from = np.r_[np.cumsum(posterior[::-1])[::-1], 0.0]
    threshold = np.arange(lowest, _HIGHEST + _STEP, _STEP)
    first = np.searchsorted(rising, threshold, side="left")
    pairs = len(rising) - first
    true = true_from[first]
    precision = np.divide(true, pairs, out=np.ones_like(true), where=pairs > 0)
    recall = true / true_from[0] if len(rising) else np.ones_like(true)
    return Curve(threshold, precision, recall, pairs.astype(np.int64))


def draw(model: Model, found: Curve) -> str:
    """Return the chart as a self-contained SVG with Chinese labels: both curves, and the thresholds that are set."""
    cn = next(entity.cn for name, entity in ENTITIES.items() if name == model.entity)
    plot = Plot(
        title=f"阈值与预期质量：{cn}（模型 {model.version}）",
        x=Axis(
            "链接阈值（匹配权重，log2）",
            float(found.threshold[0]),
            float(found.threshold[-1]),
            tuple(range(-10, 41, 10)),
        ),
        y=Axis("预期比例", 0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    )
    plot.line(found.threshold, found.precision, label="预期准确率", colour="#1f5fa8")
    plot.line(found.threshold, found.recall, label="预期召回率", colour="#b3541e")
    for name, value in (("复核", model.thresholds.review), ("链接", model.thresholds.link)):
        precision, recall, pairs = found.at(value)
        plot.mark(value, f"{name} {value:g}", f"准确率 {precision:.4f}，召回率 {recall:.4f}，{pairs:,} 对")
    return plot.svg()
