"""The tables of a paper, in the formats that authors and journals use."""

from dataclasses import asdict

from osteoflow.manuscript.catalogue import files_of, planned_tables

MANUSCRIPT = "results/manuscript/tables"
MANUSCRIPT_TABLES = planned_tables(CONFIG)


rule write_manuscript_tables:
    input:
        columns=rules.assemble_cohort.output.columns,
        tables=[f"results/{path}" for path in files_of(MANUSCRIPT_TABLES)],
    output:
        index=f"{MANUSCRIPT}/index.tsv",
        tables=expand(
            f"{MANUSCRIPT}/{{table}}.{{kind}}",
            table=[table.name for table in MANUSCRIPT_TABLES],
            kind=CONFIG.manuscript.formats,
        ),
        together=[
            f"{MANUSCRIPT}/tables.{kind}"
            for kind in ("docx", "tex")
            if kind in CONFIG.manuscript.formats
        ],
    log:
        f"{LOGS}/write_manuscript_tables.log",
    conda:
        "../envs/core.yaml"
    params:
        planned=canonical([asdict(table) for table in MANUSCRIPT_TABLES]),
        settings=canonical(CONFIG.manuscript),
        summaries=canonical([item.model_dump() for item in CONFIG.cohort.summaries]),
        variables=CONFIG.statistics.table1_variables,
        nonnormal=CONFIG.statistics.nonnormal,
        tests=canonical(CONFIG.statistics.table1_tests),
        levels=CONFIG.statistics.reproducibility.levels,
        code=code_version("write_manuscript_tables.py"),
    script:
        "../scripts/write_manuscript_tables.py"
