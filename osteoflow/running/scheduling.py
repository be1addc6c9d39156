"""Scheduling rounds of Snakemake, kept to one for each job that ends."""

from __future__ import annotations

from typing import Any

DEFAULT_LIMIT = (100, 1)
"""Jobs and seconds of the rate limit that Snakemake's command line sets where none was given."""


def lift_default_limit(scheduler: Any) -> None:
    """Take Snakemake's own limit of 100 started jobs a second away; a user's limit stays.

    While a limit is set, every scheduling round starts a timer for another round, which starts the
    next. Each job that ends begins a further such chain, none of which ends as long as jobs wait
    for a core: after a thousand jobs Snakemake plans a thousand times a second, each time with a
    look at all waiting jobs, and takes the time of the jobs themselves (seen in 9.27). Without a
    limit there is one round for each job that ends. No core starts a hundred steps a second.

    Parameters
    ----------
    scheduler
        The workflow's ``JobScheduler``; changed in place.
    """
    limiter = scheduler.job_rate_limiter
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == DEFAULT_LIMIT:
        scheduler.job_rate_limiter = None
