"""Outline vertebrae with TotalSegmentator, another project's program, where no mask was given.

Reads the converted images; writes a label map in the program's own scheme with a sidecar that
names program, version, task, weights and command line.
"""

from osteoflow.outlines import outline_subject
from osteoflow.segmentation.backends.totalsegmentator import BACK_END

outline_subject(
    BACK_END,
    snakemake.output.folder,
    snakemake.params.settings,
    snakemake.threads,
    snakemake.log[0],
)
