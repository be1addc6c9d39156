"""The `osteoflow` command."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osteoflow import __version__
from osteoflow.errors import StudyError

if TYPE_CHECKING:
    from osteoflow.config import Config
    from osteoflow.subjects import SubjectsTable

# A full or read-only disk, no permission, no quota: the machine's trouble, not a bug.
NO_PLACE = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT)
CORES = "cores of this machine (all; 1 on a cluster, whose jobs have their own)"

# What argparse's add_subparsers returns has no public name.
Commands = Any


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise
        print(f"The study folder cannot be written: {error}", file=sys.stderr)
        return 3


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
    _of_study(commands, "check", _check, help="list every mistake in a study's two files")
    inventory = _of_study(commands, "inventory", _inventory, help="look at the raw data of a study")
    inventory.add_argument("--verify", action="store_true", help="hash every file again")
    _add_run(commands)
    _add_shards(commands)
    _of_study(commands, "status", _status, help="how far every subject is, step by step")
    _of_study(commands, "why", _why, help="what the next run will do, and because of what")
    review = _of_study(
        commands,
        "review",
        _review,
        help="write a page on which masks and maps are accepted or rejected",
    )
    review.add_argument("--cores", type=int, help="cores to use (all)")
    _add_simulated(commands)
    return parser


def _of_study(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], **words: str
) -> argparse.ArgumentParser:
    """A command on a study's folder, which is the one it is called in unless another is named."""
    command = commands.add_parser(name, **words)
    command.add_argument("study", type=Path, nargs="?", default=Path())
    command.set_defaults(run=run)
    return command


def _add_run(commands: Commands) -> None:
    run = _of_study(
        commands,
        "run",
        _run,
        help="inventory, then the workflow, then the report",
        description="Options after -- go to snakemake, such as `osteoflow run my-study -- -n`.",
    )
    run.add_argument("--cores", type=int, help=CORES)
    run.add_argument("--profile", choices=["default", "slurm"], default="default")
    run.add_argument(
        "--without-failed",
        action="store_true",
        help="build the cohort without subjects whose steps fail, and list them as failed",
    )
    run.add_argument(
        "--no-warm",
        dest="warm",
        action="store_false",
        help="start Python anew for every step, also on this machine",
    )


def _add_shards(commands: Commands) -> None:
    plan = _of_study(
        commands,
        "plan",
        _plan,
        help="divide a large study into shards that run on their own, as a job array",
    )
    plan.add_argument("--batches", type=int, required=True, help="number of shards")
    plan.add_argument("--cores", type=int, default=4, help="cores of each shard's job")
    join = _of_study(commands, "join", _join, help="the cohort's results from those of all shards")
    join.add_argument("--cores", type=int, help=CORES)
    join.add_argument("--profile", choices=["default", "slurm"], default="default")
    join.add_argument(
        "--without-failed",
        action="store_true",
        help="list subjects that a shard did not finish as failed",
    )


def _add_simulated(commands: Commands) -> None:
    simulate = commands.add_parser("simulate", help="write a simulated cohort as DICOM")
    simulate.add_argument("out", type=Path)
    simulate.add_argument("--participants", type=int, default=40)
    simulate.add_argument("--seed", type=int, default=1)
    simulate.add_argument("--tiny", action="store_true", help="small images, for tests")
    simulate.set_defaults(run=_simulate)
    demo = _of_study(
        commands, "demo", _demo, help="simulate the demo cohort and run the whole workflow"
    )
    demo.add_argument("--cores", type=int, help="cores to use (all)")


def _init(options: argparse.Namespace) -> int:
    from osteoflow.config_files import write_study_files

    written = write_study_files(options.study)
    print("Edit these two files, then run `osteoflow run " + str(options.study) + "`:")
    for path in written:
        print(f"  {path}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from osteoflow.study import check_folder

    config, table = check_folder(options.study)
    print(f"No mistakes found: {len(table.subjects)} rows in config/subjects.tsv.")
    _warn_of_analyses(config, table)
    # Half a second, of which loading the libraries is most: only a study without mistakes waits.
    from osteoflow.radiomics.compliance import check_installation, deviations, statement

    found = check_installation()
    print(f"{statement(found)}.")
    for text in deviations(found):
        print(f"Warning: {text}")
    return 0


def _warn_of_analyses(config: Config, table: SubjectsTable) -> None:
    """Say before hours of computing which models will not be fitted."""
    from osteoflow.study_columns import analysis_warnings

    for text in analysis_warnings(config, table):
        print(f"Warning: {text}", flush=True)


def _inventory(options: argparse.Namespace) -> int:
    from osteoflow.running.owner import Ownership

    with Ownership(options.study, _say):
        _take_inventory(options.study, options.verify)
    return 0


def _take_inventory(
    study: Path, verify: bool = False, cores: int | None = None, warn: bool = False
) -> None:
    from osteoflow.inventory.build import take_inventory
    from osteoflow.io.tables import read_rows
    from osteoflow.layout import INVENTORY
    from osteoflow.running.batches import is_joined
    from osteoflow.running.failed import FAILED_TSV, leave_out
    from osteoflow.running.lost import notice_lost_folders
    from osteoflow.study import check_folder

    config, table = check_folder(study)
    if is_joined(study):
        raise StudyError(["this study is run in batches: run its shards, then `osteoflow join`"])
    if warn:
        _warn_of_analyses(config, table)
    report = take_inventory(
        study.resolve(),
        table,
        verify=verify,
        processes=min(cores or _cores(), 8),
        progress=_progress("Inventory"),
    )
    if not (study / FAILED_TSV).exists():
        leave_out(study, [])
    lost = notice_lost_folders(study, read_rows(study / INVENTORY / "inventory.tsv"))
    if lost:
        print(f"Results of {len(lost)} subjects are gone and will be made again.")
    print(
        f"Inventory: {report.subjects} subjects, {len(report.rewritten)} new or changed, "
        f"{report.exclusions} exclusions."
    )


def _run(options: argparse.Namespace) -> int:
    from osteoflow.running.failed import leave_out
    from osteoflow.running.run import run_study

    cores = options.cores or (1 if options.profile == "slurm" else _cores())

    def prepare() -> None:
        _take_inventory(options.study, cores=cores, warn=True)
        # Every run tries again what failed before.
        leave_out(options.study, [])

    return run_study(
        options.study,
        prepare,
        options.profile,
        cores,
        options.snakemake,
        options.without_failed,
        _say,
        options.warm,
    )


def _say(text: str) -> None:
    print(text, flush=True)


def _plan(options: argparse.Namespace) -> int:
    from osteoflow.running.batches import BATCHES, plan_batches
    from osteoflow.study import check_folder

    config, table = check_folder(options.study)
    _warn_of_analyses(config, table)
    shards = plan_batches(options.study, config, table, options.batches, options.cores)
    folder = options.study / BATCHES
    print(f"{len(table.subjects)} subjects in {len(shards)} shards. Look at both scripts, then")
    print(f"  job=$(sbatch --parsable {folder / 'array.sh'})")
    print(f"  sbatch --dependency=afterany:$job {folder / 'reduce.sh'}")
    return 0


def _join(options: argparse.Namespace) -> int:
    from osteoflow.running.batches import join_batches
    from osteoflow.running.run import run_study
    from osteoflow.study import check_folder

    config, table = check_folder(options.study)
    _warn_of_analyses(config, table)
    cores = options.cores or (1 if options.profile == "slurm" else _cores())

    def prepare() -> None:
        join_batches(options.study, config, table, options.without_failed, _say)

    return run_study(options.study, prepare, options.profile, cores, options.snakemake, say=_say)


def _status(options: argparse.Namespace) -> int:
    from osteoflow.io.tables import read_rows
    from osteoflow.layout import INVENTORY
    from osteoflow.running.status import status_rows, status_summary, write_status

    index = options.study / INVENTORY / "inventory.tsv"
    if not index.exists():
        raise StudyError(["no inventory of the raw data yet: run `osteoflow run`"])
    rows = status_rows(options.study, read_rows(index))
    path = write_status(options.study, rows)
    print("\n".join(status_summary(rows)))
    print(f"Every subject: {path}")
    return 0


def _why(options: argparse.Namespace) -> int:
    from osteoflow.running.batches import is_joined
    from osteoflow.running.failed import nobody_left_out
    from osteoflow.running.owner import Ownership
    from osteoflow.running.why import why

    with Ownership(options.study, _say), ExitStack() as stack:
        if not is_joined(options.study):
            _take_inventory(options.study)
            # As the next run will; until then the list tells who failed in the last one.
            stack.enter_context(nobody_left_out(options.study))
        for line in why(options.study):
            print(line)
    return 0


def _review(options: argparse.Namespace) -> int:
    from osteoflow.layout import INVENTORY
    from osteoflow.review.page import write_review
    from osteoflow.review.table import REVIEW_TSV
    from osteoflow.study import check_folder

    config, table = check_folder(options.study)
    if not (options.study / INVENTORY / "inventory.tsv").exists():
        raise StudyError(["no results to review yet: run `osteoflow run`"])
    page = write_review(
        options.study,
        config.study.title,
        table,
        options.cores or _cores(),
        _progress("Drawing"),
    )
    print(f"{page.regions} regions of {page.subjects} subjects, {page.decisions} decisions so far.")
    for reason in dict.fromkeys(reason for _, reason in page.left_aside):
        names = [subject for subject, why in page.left_aside if why == reason]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        print(f"Not on the page, {reason}: {', '.join(names[:5])}{more}")
    whole = "" if page.embedded else f" (hand it on with the folder {page.path.parent})"
    print(f"Open {page.path} in a browser{whole}; save what it exports as")
    print(f"{options.study / REVIEW_TSV}, then `osteoflow run {options.study}`.")
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from osteoflow.simulate.cohort import simulate_cohort
    from osteoflow.simulate.protocol import STANDARD, TINY

    simulate_cohort(
        options.out,
        participants=options.participants,
        seed=options.seed,
        protocol=TINY if options.tiny else STANDARD,
        processes=_cores(),
        progress=_progress("Simulating"),
    )
    print(f"{options.participants} participants in {options.out}")
    return 0


def _demo(options: argparse.Namespace) -> int:
    """Simulated cohort, whole workflow, and how far the measurements are from the truth."""
    from osteoflow.running.demo import prepare_demo

    prepare_demo(options.study, _cores(), _progress("Simulating"))
    options.profile, options.without_failed, options.warm = "default", False, True
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
