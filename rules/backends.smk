"""Vertebrae outlined by segmentation programs, where a study chose one and a subject has no mask.

Each program is another project's, in an environment of its own. A rule has jobs only for subjects
that need it: a mask or seeds in the subjects table come first. Weights are staged beforehand; the
programs run without network (docs/how-to/segmentation-back-ends.md).
"""


rule totalsegmentator:
    input:
        images=folder("convert"),
    output:
        folder=step_folder("totalsegmentator"),
    log:
        subject_log("totalsegmentator"),
    conda:
        "../envs/totalsegmentator.yaml"
    threads: BACK_END_SETTINGS.threads
    resources:
        **outline_gpus("totalsegmentator"),
        mem_mb=by_size(16000, 40),
        runtime=by_size(120, 2),
    params:
        settings=outline_settings("totalsegmentator"),
        code=code_version("outline_totalsegmentator.py"),
    script:
        "../scripts/outline_totalsegmentator.py"


rule totalspineseg:
    input:
        images=folder("convert"),
    output:
        folder=step_folder("totalspineseg"),
    log:
        subject_log("totalspineseg"),
    conda:
        "../envs/totalspineseg.yaml"
    threads: BACK_END_SETTINGS.threads
    resources:
        **outline_gpus("totalspineseg"),
        mem_mb=by_size(16000, 40),
        runtime=by_size(120, 2),
    params:
        settings=outline_settings("totalspineseg"),
        code=code_version("outline_totalspineseg.py"),
    script:
        "../scripts/outline_totalspineseg.py"


rule spineps:
    input:
        images=folder("convert"),
    output:
        folder=step_folder("spineps"),
    log:
        subject_log("spineps"),
    conda:
        "../envs/spineps.yaml"
    threads: BACK_END_SETTINGS.threads
    resources:
        **outline_gpus("spineps"),
        mem_mb=by_size(16000, 40),
        runtime=by_size(120, 2),
    params:
        settings=outline_settings("spineps"),
        code=code_version("outline_spineps.py"),
    script:
        "../scripts/outline_spineps.py"


rule spine_segment:
    input:
        images=folder("convert"),
    output:
        folder=step_folder("spine_segment"),
    log:
        subject_log("spine_segment"),
    conda:
        "../envs/spine_segment.yaml"
    threads: BACK_END_SETTINGS.threads
    resources:
        **outline_gpus("spine_segment"),
        mem_mb=by_size(16000, 40),
        runtime=by_size(120, 2),
    params:
        settings=outline_settings("spine_segment"),
        code=code_version("outline_spine_segment.py"),
    script:
        "../scripts/outline_spine_segment.py"
