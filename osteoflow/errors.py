"""The two ways in which input can be wrong."""

from __future__ import annotations


class SubjectDataError(Exception):
    """Data of one subject that cannot be used: a result of the run, not a failure of it.

    Parameters
    ----------
    code
        Short machine-readable reason, ``lower_snake_case`` (``missing_slice``).
    message
        What was found, with numbers, without any identity or raw path.
    hint
        What a radiographer can do about it.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class StudyError(Exception):
    """Mistakes in the configuration or the subjects table, all listed at once.

    Parameters
    ----------
    problems
        One sentence per mistake.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(f"- {problem}" for problem in problems))
        self.problems = problems
