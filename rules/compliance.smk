"""How far this installation's radiomic features are those of the standard."""

REPORT = "results/report"


rule check_radiomics:
    """Features of the IBSI-1 digital phantom, in the environment that made the study's."""
    output:
        compliance=f"{REPORT}/ibsi_compliance.json",
    log:
        f"{LOGS}/check_radiomics.log",
    conda:
        "../envs/core.yaml"
    params:
        code=code_version("check_radiomics.py"),
    script:
        "../scripts/check_radiomics.py"


# A study without radiomics has no features to vouch for.
COMPLIANCE = (
    [rules.check_radiomics.output.compliance] if CONFIG.radiomics.images else []
)
