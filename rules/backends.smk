"""Vertebrae outlined by segmentation programs, where a study chose one and a subject has no mask.

Each program is another project's, in an environment of its own. A rule has jobs only for subjects
that need it: a mask in the subjects table comes first. Weights are staged beforehand; the programs
run without network (docs/how-to/segmentation-back-ends.md).
"""

from functools import cache

from osteoflow.segmentation.backends.plan import planned_outlines

BACK_END_SETTINGS = CONFIG.segmentation.backends
PATHS_OF = {subject.name: subject.paths for subject in STUDY.table.subjects}


def outlines_of(wildcards):
    """Programs that outline this subject, each with its settings by modality."""
    name = wildcards.subject
    return planned_outlines(BACK_END_SETTINGS, PATHS_OF[name], SUBJECTS[name])


def outline_folders(wildcards):
    """Folders of these programs' steps."""
    return [
        folder(step).format(subject=wildcards.subject)
        for step in outlines_of(wildcards)
    ]


@cache
def state_of(back_end, modality):
    """Weights and version of a configured program."""
    # Only studies with a back end load this.
    from osteoflow.outlines import outline_state
    from osteoflow.segmentation.backends.registry import BACK_ENDS

    settings = getattr(BACK_END_SETTINGS, modality)
    return outline_state(BACK_ENDS[back_end], modality, settings, STUDY.folder)


def outline_settings(back_end):
    """What a program is asked for, and the state of weights and program, of each subject."""

    def settings(wildcards):
        asked = outlines_of(wildcards).get(back_end, {})
        return canonical(
            {m: {**s, "state": state_of(back_end, m)} for m, s in asked.items()}
        )

    return settings


def outline_gpus(back_end):
    """A request of one GPU, where a program computes on it."""
    chosen = [BACK_END_SETTINGS.ct, BACK_END_SETTINGS.mri]
    on_gpu = any(c and c.name == back_end and c.device == "gpu" for c in chosen)
    return {"gpu": 1} if on_gpu else {}


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
