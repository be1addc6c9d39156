"""Write one subject's page: status of every step, overlays, measurements, warnings.

Reads images, masks, calibration, measurements and status; writes one self-contained HTML file.
"""

from osteoflow.images import IMAGES, modality_of
from osteoflow.io.tables import read_table
from osteoflow.io.volume import read_json, read_volume, write_text
from osteoflow.measurements import dictionary
from osteoflow.reports.subject import render_subject
from osteoflow.reports.versions import software_versions
from osteoflow.reports.views import LOOKS, image_view
from osteoflow.step import log_to


def views(inputs, usable):
    """What to show of each image that is usable, with the outlines that are."""
    for name in LOOKS:
        image = IMAGES[name]
        if not inputs.get(name) or (image.step, image.item) not in usable:
            continue
        outlined = ("segment", image.space) in usable
        mask, voi = (
            read_volume(inputs.get(f"{image.space}_{kind}")).data if outlined else None
            for kind in ("mask", "voi")
        )
        rods = []
        if name == "ct" and ("calibrate_ct", "vbmd") in usable:
            rods = read_json(inputs.calibration)["measured_rods"]
        unit = read_json(inputs.get(f"{name}_json"))["Units"]
        yield image_view(name, read_volume(inputs.get(name), float), unit, mask, voi, rods)


def is_absent_rater(item):
    """A second rater that a study does not have is no news."""
    return item["item"].endswith("rater2") and item["status"] == "absent"


def data_of(item):
    """What an item of a step's status works on, in words."""
    modality = modality_of(item).upper()
    return f"{modality}, second rater" if item.endswith("rater2") else modality


def main(inputs, output, params, log):
    """Write the page."""
    log_to(log)
    status = read_json(inputs.status)
    items = [item for item in status["items"] if not is_absent_rater(item)]
    usable = {(item["step"], item["item"]) for item in items if item["status"] == "ok"}
    participant, _, session = status["subject"].partition("_ses-")
    warnings = [
        {"source": f"{item['step']} {item['item']}", "message": text}
        for item in items
        for text in item["warnings"]
    ]
    page = render_subject(
        participant_id=participant,
        session=session or None,
        study_title=params.title,
        statuses=[{**item, "modality": data_of(item["item"])} for item in items],
        measurements=read_table(inputs.measurements),
        warnings=warnings,
        images=views(inputs, usable),
        versions=software_versions(),
        label=lambda metric: dictionary()[metric]["label"],
        cohort_link="../../report/index.html",
    )
    write_text(output.report, page)


main(snakemake.input, snakemake.output, snakemake.params, snakemake.log[0])
