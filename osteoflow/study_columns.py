"""What configuration and subjects table ask of each other: columns, their types, sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteoflow.cohort.made_columns import made_columns
from osteoflow.config import Config
from osteoflow.errors import StudyError
from osteoflow.models.measurements import roc_problems
from osteoflow.models.outcome import refusals
from osteoflow.models.predictor_notes import declared_notes
from osteoflow.settings.statistics import TESTS_OF_TWO
from osteoflow.statistics.column_checks import column_problems, columns_used
from osteoflow.statistics.rules import Cells, columns_in_rule, unknown_column
from osteoflow.subjects import SubjectsTable, is_number

if TYPE_CHECKING:
    from osteoflow.models.outcome_checks import Findings


def agreement_problems(config: Config, table: SubjectsTable) -> list[str]:
    """Every mistake of either that shows only beside the other.

    Columns and rules in the configuration that name no column of the participants table, texts
    where numbers are needed, sessions that nobody has, and columns of the table that the cohort's
    tables could not take.
    """
    columns = [
        *table.clinical_columns,
        *(summary.column for summary in config.cohort.summaries),
        *made_columns(config.cohort),
    ]
    problems = []
    for place, text in columns_used(config.statistics):
        try:
            for name in columns_in_rule(text):
                if name not in columns:
                    problems.append(f"config: {place}: {unknown_column(name, columns)}")
        except ValueError as error:
            problems.append(f"config: {place}: {error}")
    problems.extend(_session_problems(config, table))
    problems.extend(_table_problems(config, table))
    problems.extend(_group_problems(config, table))
    problems.extend(
        f"config: cohort.dxa: {unknown_column(item.column, table.clinical_columns)}"
        for item in config.cohort.dxa
        if item.column not in table.clinical_columns
    )
    problems.extend(f"config: {text}" for text in refusals(config.analyses, columns))
    tested = config.statistics.measurement_roc
    problems.extend(f"config: {text}" for text in roc_problems(tested, columns))
    problems.extend(f"config: {text}" for text in _type_problems(config, table))
    for found in _findings(config, table):
        problems.extend(f"config: {text}" for text in found.mistakes)
    return list(dict.fromkeys(problems))


def analysis_warnings(config: Config, table: SubjectsTable) -> list[str]:
    """Analyses that the participants of the table do not suffice for, rows that they leave out, and
    models that are missing or rest on what only the authors know.

    They are no mistakes: participants may follow, and the rest of a study does not depend on its
    models.
    """
    return [
        *(text for found in _findings(config, table) for text in found.warnings),
        *(
            f"analyses.{analysis.name}: {text}"
            for analysis in config.analyses
            for text in declared_notes(analysis)
        ),
    ]


def _findings(config: Config, table: SubjectsTable) -> list[Findings]:
    if not config.analyses:
        return []
    from osteoflow.models.outcome_checks import findings

    cells = first_rows(table)
    return [findings(analysis, cells) for analysis in config.analyses]


# Words that a table of the cohort gives back as True and False when it is read again.
_TRUTH = {**dict.fromkeys(("True", "TRUE", "true"), "True")}
_TRUTH |= dict.fromkeys(("False", "FALSE", "false"), "False")


def first_rows(table: SubjectsTable) -> dict[str, Cells]:
    """Clinical columns of each participant's first row, as the models read them.

    Of several sessions models use the first. A column holds numbers if all its filled cells are;
    one with an infinite value is text here and numbers to the models, which refuse the value.
    """
    seen: set[str] = set()
    rows = []
    for subject in table.subjects:
        if subject.participant_id not in seen:
            seen.add(subject.participant_id)
            rows.append(subject.clinical)
    found = {}
    for column in table.clinical_columns:
        filled = {subject.clinical[column] for subject in table.subjects} - {""}
        if all(is_number(cell) for cell in filled):
            # Tables of the cohort keep ten digits.
            numbers = [float(f"{float(row[column]):.10g}") if row[column] else None for row in rows]
            found[column] = Cells(numbers, numeric=True)
        else:
            words = _TRUTH if filled <= set(_TRUTH) else {}
            texts = [words.get(row[column], row[column]) or None for row in rows]
            found[column] = Cells(texts, numeric=False)
    return found


def _group_problems(config: Config, table: SubjectsTable) -> list[str]:
    """Groups of a column of the subjects table: too few of them, or too many for the test."""
    problems = []
    for item in config.statistics.comparisons:
        if item.group not in table.clinical_columns:
            continue
        cells = {subject.clinical[item.group] for subject in table.subjects} - {""}
        if all(is_number(cell) for cell in cells):
            cells = {str(float(cell)) for cell in cells}
        place = f"config: statistics.comparisons.{item.name}.group"
        if len(cells) < 2:
            problems.append(f"{place}: column '{item.group}' makes fewer than two groups")
        elif len(cells) > 2 and item.test in TESTS_OF_TWO:
            problems.append(
                f"{place}: column '{item.group}' makes {len(cells)} groups, which {item.test} does "
                "not compare (anova, welch_anova or kruskal do)"
            )
    return problems


def _table_problems(config: Config, table: SubjectsTable) -> list[str]:
    """Columns of the subjects table that the cohort's tables could not take."""
    made = {**made_columns(config.cohort), **{s.column: True for s in config.cohort.summaries}}
    problems = [
        f"subjects.tsv: column '{name}' has the name of a made one"
        for name in made
        if name in table.clinical_columns
    ]
    if "exclude_levels" in table.clinical_columns:
        from osteoflow.cohort.left_out import named

        try:
            named(table)
        except StudyError as error:
            problems += error.problems
    for item in config.cohort.dxa:
        if item.column in table.clinical_columns:
            from osteoflow.dxa import t_scores

            cells = [subject.clinical[item.column] for subject in table.subjects]
            try:
                t_scores([float(cell) for cell in cells if cell], item.region, item.device)
            except ValueError as error:
                problems.append(f"subjects.tsv: column '{item.column}': {error}")
    return problems


def _session_problems(config: Config, table: SubjectsTable) -> list[str]:
    """Repeated scans of sessions that nobody has: YAML reads 01 as 1."""
    sessions = sorted({subject.session for subject in table.subjects if subject.session})
    named = [s for group in config.statistics.reproducibility.repeat_sessions for s in group]
    return [
        f"config: statistics.reproducibility.repeat_sessions: nobody has session '{session}' "
        f"(subjects.tsv has {', '.join(sessions) or 'no sessions'}; labels need quotation marks)"
        for session in named
        if session not in sessions
    ]


def _type_problems(config: Config, table: SubjectsTable) -> list[str]:
    """Texts where numbers are needed, and the reverse."""
    numeric = {summary.column for summary in config.cohort.summaries}
    made = made_columns(config.cohort)
    numeric |= {name for name, is_numeric in made.items() if is_numeric}
    text, binary = {name for name, is_numeric in made.items() if not is_numeric}, set()
    held: dict[str, list[str]] = {}
    for column in table.clinical_columns:
        cells = {subject.clinical[column] for subject in table.subjects} - {""}
        held[column] = sorted(cells)
        if all(is_number(cell) for cell in cells):
            held[column] = sorted(cells, key=float)
            numeric.add(column)
            if cells and {float(cell) for cell in cells} <= {0.0, 1.0}:
                binary.add(column)
        else:
            text.add(column)
    return column_problems(config.statistics, config.analyses, numeric, text, binary, held)
