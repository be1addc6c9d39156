"""All back ends by name."""

from __future__ import annotations

from osteoflow.segmentation.backends import (
    spine_segment,
    spineps,
    totalsegmentator,
    totalspineseg,
)
from osteoflow.segmentation.backends.back_end import BackEnd

BACK_ENDS: dict[str, BackEnd] = {
    module.BACK_END.name: module.BACK_END
    for module in (totalsegmentator, totalspineseg, spineps, spine_segment)
}
