"""Snakemake's events as JSON lines, so that a run can name what failed.

Snakemake finds this module by its name once its folder is on ``PYTHONPATH``; see
:mod:`osteoflow.running.events`, which reads the lines.
"""

import json
import os
import time
from logging import LogRecord
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase

# The file that events go to; set by whoever starts Snakemake.
TARGET = "OSTEOFLOW_EVENTS"


class LogHandler(LogHandlerBase):
    """Writes one line with the plan, and one when a job begins, is finished or failed."""

    def __post_init__(self) -> None:
        self._jobs: dict[int, dict] = {}

    def emit(self, record: LogRecord) -> None:
        event = str(getattr(record, "event", ""))
        if event == "run_info":
            self._write_line({"event": "planned", "counts": dict(record.stats)})
        elif event == "job_info":
            wildcards = dict(record.wildcards or {})
            self._jobs[record.jobid] = {
                "rule": record.rule_name,
                "wildcards": wildcards,
                "log": next(iter(record.log), ""),
            }
            self._write("started", record.jobid)
        elif event == "job_finished":
            self._write("finished", record.job_id)
        elif event == "job_error":
            self._write("failed", record.jobid)

    def _write(self, what: str, jobid: int) -> None:
        if jobid in self._jobs:
            self._write_line({"event": what, **self._jobs[jobid]})

    def _write_line(self, content: dict) -> None:
        line = {"time": round(time.time(), 3), **content}
        with Path(os.environ[TARGET]).open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(line) + "\n")

    @property
    def writes_to_stream(self) -> bool:
        return False

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        # The default filter would hide what the profile is quiet about.
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False
