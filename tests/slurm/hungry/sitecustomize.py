"""One step of one subject takes more memory than its rule asks for.

Python imports this module at every start where the folder is on ``PYTHONPATH``. The variable
``OSTEOFLOW_TEST_HUNGRY`` names the step and the MB to take: ``segment:subject=sub-02 1500``. Only
the process inside the Slurm step that makes exactly this target takes them, and keeps them.
"""

import os
import sys
import time


def _wants(target: str) -> bool:
    arguments = sys.orig_argv
    if "--target-jobs" not in arguments:
        return False
    first = arguments.index("--target-jobs") + 1
    return arguments[first] == target and arguments[first + 1].startswith("--")


_target, _, _megabytes = os.environ.get("OSTEOFLOW_TEST_HUNGRY", "").rpartition(" ")
if _target and _wants(_target):
    held = bytearray(b"x") * (int(_megabytes) * 2**20)
    # Slurm looks once a second.
    time.sleep(4)
