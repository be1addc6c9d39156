"""Which series of a study serves which role, decided by header content alone.

Each role has a module of its own; this one gathers what the inventory asks for.
"""

from __future__ import annotations

from osteoflow.inventory.recognise_ct import MIN_CT_SLICES, choose_ct
from osteoflow.inventory.recognise_diffusion import choose_scanner_adc, find_diffusion
from osteoflow.inventory.recognise_gradient_echo import (
    MIN_ECHOES,
    UNKNOWN,
    FatWaterImages,
    choose_fat_water,
    choose_multi_echo,
)
from osteoflow.inventory.recognise_spin_echo import choose_multi_spin_echo
from osteoflow.inventory.recognise_weighted import choose_t1_weighted, choose_t2_weighted
from osteoflow.inventory.series import Header, series_key
from osteoflow.io.vendor import COMPONENTS

__all__ = [
    "COMPONENTS",
    "MIN_CT_SLICES",
    "MIN_ECHOES",
    "UNKNOWN",
    "FatWaterImages",
    "Header",
    "choose_ct",
    "choose_fat_water",
    "choose_multi_echo",
    "choose_multi_spin_echo",
    "choose_scanner_adc",
    "choose_t1_weighted",
    "choose_t2_weighted",
    "find_diffusion",
    "series_key",
]
