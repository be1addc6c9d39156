"""OsteoFlow: from scanner DICOM to bone maps, radiomics, nomograms and ROC figures.

Works in a study folder (`snakemake --directory my-study`): its `config/` says what to do, its
`results/` holds what was made. `osteoflow inventory` must have looked at the raw data before.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "rules/common.smk"


onstart:
    lift_default_limit(workflow.scheduler)
    use_warm_process()


# Subjects of a study in batches are made by its shards; here they are input, not work.
if not STUDY.joined:

    include: "rules/convert.smk"
    include: "rules/backends.smk"
    include: "rules/segment.smk"
    include: "rules/mri.smk"
    include: "rules/ct.smk"
    include: "rules/radiomics.smk"
    include: "rules/subject.smk"


include: "rules/cohort_common.smk"
include: "rules/cohort.smk"
include: "rules/statistics.smk"
include: "rules/models.smk"
include: "rules/truth.smk"
include: "rules/drift.smk"
include: "rules/figures.smk"
include: "rules/compliance.smk"
include: "rules/manuscript_text.smk"
include: "rules/manuscript.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        rules.cohort.input,
        rules.participants.input,
