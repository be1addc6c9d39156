"""Whether participants suffice for an analysis: sizes, and the sentences for those that do not.

Both the models, on the rows that they are fitted on, and the check of a study, on the subjects
table, ask here. Nothing heavy is imported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from osteoflow.wording import count

# Events, and others, that areas on the hold-out need.
MIN_HOLDOUT_CLASS = 2
# Events, and others, below which differences on the hold-out are told with intervals alone.
LEAST_TESTED = 10
# Events, and others, that a set to judge a model on should have (Vergouwe et al., J Clin Epidemiol
# 2005;58:475; Collins et al., Stat Med 2016;35:214).
ADVISED_HOLDOUT = 100
# Of a quantity: participants in each test part, as correlations need.
LEAST_PER_FOLD = 3
NO_TRAINING = "the hold-out leaves nobody to train on"
TRAINING = "in the training data"
ONE_CLASS_HELD = "the hold-out has participants of one class alone"
CONSTANT = "the outcome is constant in the training data"
NO_EVENT = "no participant of the training data has the event"
HELD_QUANTITIES = f"the hold-out needs {LEAST_PER_FOLD} participants with different outcomes"


def held_size(n: int, fraction: float) -> int:
    """Participants of a stratum of ``n`` that a random hold-out takes: the rounded share, one at
    least."""
    return min(n, max(1, math.floor(fraction * n + 0.5))) if fraction and n else 0


def names_nobody(rule: str) -> str:
    """Of a hold-out rule."""
    return f"hold-out rule '{rule}' names nobody"


def reliability_names_nobody(rule: str) -> str:
    """Of a rule that names the reliability set."""
    return f"the reliability set '{rule}' names nobody"


def one_class(n_events: int, n_others: int) -> str:
    """Of a binary outcome, or "" where both classes are there."""
    if n_events and n_others:
        return ""
    lacking = "a non-event" if n_events else "an event"
    everyone = count(n_events + n_others, "participant")
    return f"the outcome has one class only: none of {everyone} is {lacking}"


def too_few(n: int, which: str, n_folds: int) -> str:
    """Of participants who stand in every fold, or "" where they suffice.

    Parameters
    ----------
    n
        How many there are in the training data.
    which
        `` with events``, `` of class 'normal'``.
    n_folds
        The larger number of outer and inner folds.
    """
    if n >= n_folds:
        return ""
    suffice = "does not suffice" if n == 1 else "do not suffice"
    return f"{count(n, 'participant')}{which} {TRAINING} {suffice} for {n_folds} folds"


def classes_too_small(sizes: Sequence[int], classes: Sequence[str], n_folds: int) -> Iterator[str]:
    """Of ordered classes: sentences for those that are empty or too small."""
    for n, name in zip(sizes, classes, strict=True):
        if n == 0:
            yield (
                f"no participant of the training data is of class '{name}': leave it out of "
                "classes, or join it with its neighbour"
            )
        elif text := too_few(n, f" of class '{name}'", n_folds):
            yield text


def few_quantities(n: int, n_folds: int) -> str:
    """Of a quantity, or "" where participants suffice."""
    if n >= LEAST_PER_FOLD * n_folds:
        return ""
    suffice = "does not suffice" if n == 1 else "do not suffice"
    return (
        f"{count(n, 'participant')} {TRAINING} {suffice} for {n_folds} folds of "
        f"{LEAST_PER_FOLD} or more"
    )


def differ(low: float, high: float) -> bool:
    """Whether the smallest and the largest of some numbers differ by more than rounding."""
    return high - low > 1e-12 * max(abs(low), abs(high), 1e-300)


def horizon_not_reached(longest: float, horizon: float | None) -> str:
    """Of a time to event, or "" where somebody is followed beyond the horizon."""
    if horizon is None or longest > horizon:
        return ""
    return (
        f"nobody of a part of the data is followed beyond the horizon {horizon:g} "
        f"(longest time {longest:g}): choose an earlier one"
    )


def nothing_to_compare(outcome: Iterable[Sequence[float]], part: str) -> str:
    """Of times to an event, or "" where somebody has it before another's time.

    Parameters
    ----------
    outcome
        Rows that begin with the time and 1 (the event) or 0 (censored).
    part
        ``training data`` or ``hold-out``.
    """
    rows = [(row[0], row[1]) for row in outcome]
    first = min((time for time, event in rows if event == 1), default=math.inf)
    # Censored at the time of an event is after it.
    if any(time > first or (time == first and event == 0) for time, event in rows):
        return ""
    return f"no event of the {part} is earlier than another's time"


def modest_holdout(n_events: int, n_others: int | None, is_random: bool) -> str:
    """Of a hold-out on which a model is judged with little certainty, or "" where it is large.

    Parameters
    ----------
    n_events, n_others
        Events and non-events held out; of a time to an event the latter are None.
    is_random
        Whether they were drawn at random, and not named by a rule.
    """
    fewer = n_events if n_others is None else min(n_events, n_others)
    if fewer >= ADVISED_HOLDOUT:
        return ""
    text, each, either = f"the hold-out has {count(n_events, 'event')}", "", ""
    if n_others is not None:
        text += f" and {count(n_others, 'non-event')}"
        each, either = " of each", " of either"
    text += f", where {ADVISED_HOLDOUT}{each} are advised to judge a model on"
    if fewer < LEAST_TESTED:
        text += f": with fewer than {LEAST_TESTED}{either}, differences are not tested"
    if is_random:
        text += (
            "; without a random hold-out (holdout_fraction: 0) cross-validation has all "
            "participants"
        )
    return text


def small_holdout(n: int, name: str) -> str:
    """Of events or non-events in the hold-out, or "" where they suffice."""
    if n >= MIN_HOLDOUT_CLASS:
        return ""
    return f"{count(n, name)} in the hold-out: at least {MIN_HOLDOUT_CLASS} are needed"
