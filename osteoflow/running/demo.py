"""The demo study: a simulated cohort, listed where a study keeps the table of its subjects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from osteoflow.errors import StudyError
from osteoflow.io.tables import read_rows
from osteoflow.io.whole import write_text
from osteoflow.study import SUBJECTS_TSV

DEMO_DATA = "demo"
PARTICIPANTS, SEED = 40, 1


def prepare_demo(
    study: Path, processes: int, progress: Callable[[int, int], None] | None = None
) -> None:
    """Simulate the demo's raw data, unless they are there, and list them in the study's table.

    Parameters
    ----------
    study
        Study folder; the clone is one.
    processes, progress
        As for :func:`osteoflow.simulate.cohort.simulate_cohort`.

    Raises
    ------
    StudyError
        The study's table holds rows other than the demo's; it is left as it is.
    """
    raw, listed = study / DEMO_DATA, study / SUBJECTS_TSV
    rows = read_rows(listed) if listed.exists() else []
    # Said before minutes of simulating.
    if not all(Path(row.get("dicom", "")).parts[:1] == (DEMO_DATA,) for row in rows):
        raise _not_the_demos(listed)
    # Written last.
    if not (raw / "subjects.tsv").exists():
        from osteoflow.simulate.cohort import simulate_cohort
        from osteoflow.simulate.protocol import STANDARD

        simulate_cohort(
            raw,
            participants=PARTICIPANTS,
            seed=SEED,
            protocol=STANDARD,
            processes=processes,
            progress=progress,
            path_prefix=f"{DEMO_DATA}/",
        )
    table = (raw / "subjects.tsv").read_text(encoding="utf-8")
    if not rows:
        write_text(listed, table)
    elif listed.read_text(encoding="utf-8") != table:
        raise _not_the_demos(listed)


def _not_the_demos(listed: Path) -> StudyError:
    return StudyError(
        [
            f"{listed} does not list the simulated participants in {DEMO_DATA}/ as they were made, "
            "and is left as it is: run the demo in a folder of its own (`osteoflow init my-demo`, "
            "`osteoflow demo my-demo`)"
        ]
    )
