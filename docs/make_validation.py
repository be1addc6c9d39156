"""Write `docs/validation.md` from what tests measured and from the finished demo.

Usage: python docs/make_validation.py MEASURED.jsonl RESULTS OUTPUT

MEASURED is the file that `pytest --measured` appended to; RESULTS is the demo's results folder.
No number in the page is typed by hand.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

from osteoflow import __version__
from osteoflow.io.tables import read_table
from osteoflow.reports.truth import quantity_label
from osteoflow.reports.versions import software_versions

INTRODUCTION = """\
# Validation

Made by `make validation` from measured results; no number here is typed by hand. Simulations and
phantoms show that the software computes what it says. **None of this is clinical accuracy.**

Sources: limits of the fat-water reference object and of the phantom calibration are this project's
own; the multi-site fat-fraction phantom is Hernando et al., Magn Reson Med 2017;77:1516; MR-BIAS is
the open program of Korte et al. (github.com/JamesCKorte/mrbias); IBSI-1 is Zwanenburg et al.,
Radiology 2020;295:328, IBSI-2 Whybra, Zwanenburg et al., Radiology 2024;310:e231319; the R packages
are pROC, psych, rms, glmnet, Hmisc, sva, survival, MASS, lme4 and lmerTest (scripts in
tests/reference/r). SNR is the signal at echo time (or b) zero over the standard deviation of one
real channel.
"""


def number(value: object) -> str:
    """Four significant digits; texts as they are."""
    if isinstance(value, str):
        return value
    return f"{float(value):.4g}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def demo_section(results: Path) -> str:
    """Measured against simulated, by how the scan deviates from the fitted model."""
    summary = read_table(results / "cohort" / "truth_summary.tsv")
    rows = [
        [
            quantity_label(row.metric),
            row.scan_model.replace("_", " "),
            str(row.n),
            number(row.mean_absolute_error),
            number(row.mean_error),
            number(row.max_absolute_error),
            "" if row.limit != row.limit else f"{row.limit:g}",
        ]
        for row in summary.itertuples()
    ]
    header = ["quantity", "scan", "vertebrae", "mean abs. error", "mean error", "largest", "limit"]
    text = (
        "## The demo cohort, per vertebra\n\n"
        "`matched` scans follow the fitted model; the others break it on purpose and carry no "
        "limit. The last quantity is the effect of marrow fat on single-energy CT, not an error "
        "of the calibration.\n\n"
    )
    excluded = read_table(results / "cohort" / "exclusions.tsv")
    shown = [[r.participant_id, r.modality, r.step, r.code] for r in excluded.itertuples()]
    return (
        text
        + table(header, rows)
        + "\nExcluded, as simulated:\n\n"
        + table(["participant", "modality", "step", "reason"], shown)
    )


def measured_sections(path: Path) -> str:
    """One table per section, rows in the order they were measured."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    parts = []
    for section in sorted({row["section"] for row in rows}):
        here = [row for row in rows if row["section"] == section]
        cells = sorted(
            [row["what"], number(row["value"]), row["unit"], row["limit"]] for row in here
        )
        body = table(["what", "measured", "unit", "limit"], cells)
        parts.append(f"## {section}\n\n{body}")
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    measured, results, output = map(Path, sys.argv[1:4])
    versions = ", ".join(f"{name} {version}" for name, version in software_versions().items())
    page = "\n".join(
        [
            INTRODUCTION,
            demo_section(results),
            measured_sections(measured),
            f"Measured with OsteoFlow {__version__} on {platform.system()} "
            f"{platform.machine()}: {versions}.\n",
        ]
    )
    output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
