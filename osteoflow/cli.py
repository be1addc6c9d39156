"""The `osteoflow` command."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from osteoflow import __version__
from osteoflow.errors import StudyError
from osteoflow.resources import ROOT

DEMO_DATA = "demo"


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    options = _parser().parse_args(arguments[:cut])
    options.snakemake = arguments[cut + 1 :]
    try:
        return options.run(options)
    except StudyError as error:
        print(f"The study cannot run:\n{error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="osteoflow",
        description="Bone quality from routine CT and MRI: from DICOM to manuscript figures.",
    )
    parser.add_argument("--version", action="version", version=f"osteoflow {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    init = commands.add_parser("init", help="make a study folder with two files to edit")
    init.add_argument("study", type=Path)
    init.set_defaults(run=_init)

    check = commands.add_parser("check", help="list every mistake in a study's two files")
    check.add_argument("study", type=Path, nargs="?", default=Path())
    check.set_defaults(run=_check)

    inventory = commands.add_parser("inventory", help="look at the raw data of a study")
    inventory.add_argument("study", type=Path, nargs="?", default=Path())
    inventory.add_argument("--verify", action="store_true", help="hash every file again")
    inventory.set_defaults(run=_inventory)

    run = commands.add_parser(
        "run",
        help="inventory, then the workflow, then the report",
        description="Options after -- go to snakemake, such as `osteoflow run my-study -- -n`.",
    )
    run.add_argument("study", type=Path, nargs="?", default=Path())
    run.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    run.add_argument("--profile", choices=["default", "slurm"], default="default")
    run.set_defaults(run=_run)

    simulate = commands.add_parser("simulate", help="write a simulated cohort as DICOM")
    simulate.add_argument("out", type=Path)
    simulate.add_argument("--participants", type=int, default=40)
    simulate.add_argument("--seed", type=int, default=1)
    simulate.add_argument("--tiny", action="store_true", help="small images, for tests")
    simulate.set_defaults(run=_simulate)

    demo = commands.add_parser("demo", help="simulate the demo cohort and run the whole workflow")
    demo.add_argument("study", type=Path, nargs="?", default=Path())
    demo.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    demo.set_defaults(run=_demo)
    return parser


def _init(options: argparse.Namespace) -> int:
    from osteoflow.config_files import write_study_files

    written = write_study_files(options.study)
    print("Edit these two files, then run `osteoflow run " + str(options.study) + "`:")
    for path in written:
        print(f"  {path}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from osteoflow.study import check_folder

    _, table = check_folder(options.study)
    print(f"No mistakes found: {len(table.subjects)} rows in config/subjects.tsv.")
    return 0


def _inventory(options: argparse.Namespace) -> int:
    _take_inventory(options.study, options.verify)
    return 0


def _take_inventory(study: Path, verify: bool = False) -> None:
    from osteoflow.inventory.build import take_inventory
    from osteoflow.study import check_folder

    _, table = check_folder(study)
    report = take_inventory(
        study.resolve(),
        table,
        verify=verify,
        processes=min(os.cpu_count() or 1, 8),
        progress=_progress("Inventory"),
    )
    print(
        f"Inventory: {report.subjects} subjects, {len(report.rewritten)} new or changed, "
        f"{report.exclusions} exclusions."
    )


def _run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    _take_inventory(options.study)
    code = _snakemake(options.study, options.cores, options.profile, options.snakemake)
    dry = {"-n", "--dry-run", "--dryrun"}.intersection(options.snakemake)
    if code == 0 and not options.snakemake:
        code = _workflow_report(options.study)
        _say_where(options.study, time.monotonic() - started)
    elif code != 0 and not dry:
        print(
            "Some jobs failed: the messages above name the step, the subject and the log file. "
            "Finished work is kept; `osteoflow run` goes on from there.",
            file=sys.stderr,
        )
    return code


def _snakemake(study: Path, cores: int, profile: str, more: list[str]) -> int:
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--directory",
        str(study.resolve()),
        "--workflow-profile",
        str(ROOT / "profiles" / profile),
        "--cores",
        str(cores),
        *more,
    ]
    return subprocess.run(command, check=False).returncode


def _workflow_report(study: Path) -> int:
    """Snakemake's own report: every figure with its caption, the graph and run times."""
    target = study.resolve() / "results" / "report" / "workflow.html"
    return _snakemake(study, 1, "default", ["--report", str(target), "--quiet", "all"])


def _say_where(study: Path, seconds: float) -> None:
    results = study / "results"
    print(f"\nDone in {seconds / 60:.1f} minutes.")
    print(f"  report           {results / 'report' / 'index.html'}")
    print(f"  figures          {results / 'figures'}")
    print(f"  cohort tables    {results / 'cohort'}")
    print(f"  workflow report  {results / 'report' / 'workflow.html'}")
    print(f"  exclusions       {results / 'cohort' / 'exclusions.tsv'}")


def _simulate(options: argparse.Namespace) -> int:
    from osteoflow.simulate.cohort import simulate_cohort
    from osteoflow.simulate.protocol import STANDARD, TINY

    simulate_cohort(
        options.out,
        participants=options.participants,
        seed=options.seed,
        protocol=TINY if options.tiny else STANDARD,
        processes=os.cpu_count() or 1,
        progress=_progress("Simulating"),
    )
    print(f"{options.participants} participants in {options.out}")
    return 0


def _demo(options: argparse.Namespace) -> int:
    """Simulated cohort, whole workflow, and how far the measurements are from the truth."""
    from osteoflow.simulate.cohort import simulate_cohort
    from osteoflow.simulate.protocol import STANDARD

    raw = options.study / DEMO_DATA
    if not (raw / "truth.tsv").exists():
        simulate_cohort(
            raw,
            participants=40,
            seed=1,
            protocol=STANDARD,
            processes=os.cpu_count() or 1,
            progress=_progress("Simulating"),
            path_prefix=f"{DEMO_DATA}/",
        )
    table = (raw / "subjects.tsv").read_text(encoding="utf-8")
    listed = options.study / "config" / "subjects.tsv"
    if not listed.exists() or listed.read_text(encoding="utf-8") != table:
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text(table, encoding="utf-8")
    options.profile = "default"
    code = _run(options)
    truth = options.study / "results" / "cohort" / "truth.txt"
    if code == 0 and truth.exists():
        print("\n" + truth.read_text(encoding="utf-8"))
    return code


def _progress(what: str):
    """A line that counts; rewritten in a terminal, every tenth step elsewhere."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{what} {done}/{total}", end=end, file=sys.stderr, flush=True)
        elif done == total or done % max(1, total // 10) == 0:
            print(f"{what} {done}/{total}", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
