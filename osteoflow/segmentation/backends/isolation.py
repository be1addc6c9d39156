"""The environment a back end runs in: no network, no statistics, no home but its scratch folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# Kept from the environment of the run: where programs and libraries are, language, GPUs.
KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "CONDA_PREFIX", "VIRTUAL_ENV")
KEPT_BEGINNINGS = ("CUDA_", "NVIDIA_", "ROCR_", "HIP_")
# The discard port of this machine, where nothing answers: whatever tries the network fails at once.
NOWHERE = "http://127.0.0.1:9"
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "DO_NOT_TRACK": "1",
    "NO_PROXY": "",
    "no_proxy": "",
}
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    # Processes of nnU-Net's preprocessing and export.
    "nnUNet_def_n_proc",
)
# Caches and settings that libraries otherwise put into the user's home.
HOMES = {
    "XDG_CACHE_HOME": ".cache",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "MPLCONFIGDIR": ".config/matplotlib",
    "TORCH_HOME": ".cache/torch",
    "TORCHINDUCTOR_CACHE_DIR": ".cache/inductor",
    "NUMBA_CACHE_DIR": ".cache/numba",
    "CUDA_CACHE_PATH": ".cache/cuda",
}


def isolated_environment(
    outside: Mapping[str, str], scratch: Path, threads: int, device: str
) -> dict[str, str]:
    """Environment variables of a back end; its folders are made.

    Parameters
    ----------
    outside
        Environment of the run. Little of it is kept; above all no ``PYTHONPATH``, which would put
        this project's packages into the program's environment.
    scratch
        Folder of the job, which becomes home and place of temporary files.
    threads
        Processor cores that it may use.
    device
        ``cpu`` hides every GPU.
    """
    kept = {
        name: value
        for name, value in outside.items()
        if name in KEPT or name.startswith(KEPT_BEGINNINGS)
    }
    home, temporary = scratch / "home", scratch / "tmp"
    for folder in (home, temporary, *(home / part for part in HOMES.values())):
        folder.mkdir(parents=True, exist_ok=True)
    nowhere = {spelled: NOWHERE for name in PROXIES for spelled in (name, name.upper())}
    return {
        **kept,
        **OFFLINE,
        **nowhere,
        **dict.fromkeys(THREADS, str(threads)),
        **{name: str(home / part) for name, part in HOMES.items()},
        **dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(temporary)),
        **({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}),
        "HOME": str(home),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
