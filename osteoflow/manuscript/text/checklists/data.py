"""Answers on participants, imaging, segmentation and baseline."""

from __future__ import annotations

from osteoflow.manuscript.text.checklists.answer import (
    FILLED,
    IMAGING,
    MAPS,
    POPULATION,
    SEGMENTATION,
    STATISTICS,
    Answer,
    author,
    filled,
    inapplicable,
    partly,
)
from osteoflow.manuscript.text.facts import Facts
from osteoflow.manuscript.text.imaging import imaging, protocol_gaps
from osteoflow.manuscript.text.maps import maps
from osteoflow.manuscript.text.markup import code, plain
from osteoflow.manuscript.text.population import population
from osteoflow.manuscript.text.segmentation import sources_of
from osteoflow.wording import count, listing

FLOW = "results/cohort/flow.tsv; results/figures/flow.pdf"
_FIRST = ("ct", "mri", "t2", "dwi", "t1w", "t2w")


def guidelines(facts: Facts) -> Answer:
    """The checklists themselves."""
    return partly(
        "CLEAR, METRICS, TRIPOD+AI and STARD were filled from the run as far as it knows",
        "results/manuscript/checklist_*.md",
    )


def ethics(facts: Facts) -> Answer:
    """What the program does for data protection."""
    return partly(
        "names, birth dates, addresses, identifiers and dates of the headers do not leave the "
        "conversion; results carry the study's own labels",
        IMAGING,
    )


def eligibility(facts: Facts) -> Answer:
    """Technical exclusions."""
    n = len(facts.exclusions)
    what = "no examination was excluded for technical reasons"
    if n:
        reasons = sorted({str(code_).replace("_", " ") for code_ in facts.exclusions["code"]})
        what = f"technical exclusions: {n} ({listing([plain(reason) for reason in reasons])})"
    return partly(what, f"{POPULATION}; results/cohort/exclusions.tsv")


def pipeline_figure(facts: Facts) -> Answer:
    """There is a text of all steps, no picture."""
    return author("methods.md names all steps in their order", "results/manuscript/methods.md")


def data_sources(facts: Facts) -> Answer:
    """What the tables tell of the data."""
    return partly(population(facts)[0], POPULATION)


def centres(facts: Facts) -> Answer:
    """Scanners hint at centres, no more."""
    scanners = {
        (item.get("Manufacturer"), item.get("ManufacturerModelName"))
        for found in facts.scans.values()
        for item in found
        if item.get("Manufacturer")
    }
    if not scanners:
        return author()
    return author(f"images are of {count(len(scanners), 'model')} of scanner", IMAGING)


def imaging_protocol(facts: Facts) -> Answer:
    """Acquisition parameters of the headers."""
    told = imaging(facts)
    if not facts.scans or not told:
        return author()
    fact = " ".join(told[: 1 + facts.has_ct * facts.has_mri])
    gaps = protocol_gaps(facts)
    if gaps:
        return partly(f"{fact} Not in the headers: {'; '.join(gaps)}", IMAGING)
    return filled(fact, IMAGING)


def quality_checks(facts: Facts) -> Answer:
    """Checks of images, outlines and maps."""
    parts = ["slices and grids were checked at conversion", "exclusions have codes and reasons"]
    if facts.review is not None:
        parts.append("outlines and maps were reviewed by eye")
    return partly(listing(parts), f"{IMAGING}; results/cohort/exclusions.tsv")


def segmentation(facts: Facts) -> Answer:
    """How regions came about: fully known only where a program made them."""
    first = {item: found for item, found in facts.outlines.items() if item in _FIRST}
    if not first:
        return inapplicable("nothing was outlined")
    made = sources_of([about for found in first.values() for about in found])
    names = {"given": "given as masks", "seeded": "grown from manually placed points"}
    parts = [
        f"{count(n, 'outline')} {names.get(source, f'by {plain(source)}')}"
        for source, n in sorted(made.items())
    ]
    margin = facts.settings["segmentation"]["erosion_mm"]
    fact = f"{listing(parts)}; trabecular volumes in 3D by moving the surface {margin:g} mm inwards"
    return partly(fact, SEGMENTATION) if made["given"] else filled(fact, SEGMENTATION)


def operators(facts: Facts) -> Answer:
    """How many readings there are."""
    raters = 1 + any(item.endswith("_rater2") for item in facts.outlines)
    if not facts.outlines:
        return inapplicable("nothing was outlined")
    again = any(item.endswith("_repeat") for item in facts.outlines)
    fact = f"outlines of {count(raters, 'rater')}" + (", repeated by the first" if again else "")
    return partly(fact, SEGMENTATION)


def has_segmentation(facts: Facts) -> Answer:
    """Condition of METRICS."""
    return _yes_no(bool(facts.outlines), SEGMENTATION)


def has_automatic(facts: Facts) -> Answer:
    """Condition of METRICS: any outline by a program without a human hand."""
    return _yes_no(bool(automatic(facts)), SEGMENTATION)


def automatic(facts: Facts) -> list[str]:
    """Programs that outlined anything."""
    found = [about for item in _FIRST for about in facts.outlines.get(item, ())]
    return sorted(set(sources_of(found)) - {"given", "seeded"})


def automatic_evaluation(facts: Facts) -> Answer:
    """Nothing in a run compares programs with experts."""
    return author(
        f"outlined by {listing([plain(name) for name in automatic(facts)])}", SEGMENTATION
    )


def single_reader(facts: Facts) -> Answer:
    """The first reading alone enters measurements and models."""
    if automatic(facts) and "given" not in sources_of(
        [about for item in _FIRST for about in facts.outlines.get(item, ())]
    ):
        return filled("outlines are a program's", SEGMENTATION)
    return partly(
        "measurements and models rest on one reading of each image, the first rater's",
        SEGMENTATION,
    )


def index_test(facts: Facts) -> Answer:
    """Maps, features and models in detail."""
    if not maps(facts) and not facts.images:
        return author()
    fact = (
        "maps, volumes of interest, features and models are described with their parameters and "
        "versions"
    )
    answer = partly if segmentation(facts).status != FILLED else filled
    return answer(fact, f"{MAPS} and what follows")


def index_blind(facts: Facts) -> Answer:
    """Programs know nothing of the reference; who outlined may."""
    return partly(
        "measurements and features are computed without the clinical columns, which reach the "
        "cohort's tables alone",
        SEGMENTATION,
    )


def indeterminate(facts: Facts) -> Answer:
    """Unusable examinations and voxels."""
    return partly(
        "examinations that cannot be used are excluded with a code, voxels without a reliable "
        "value do not count, and both are reported",
        "results/cohort/exclusions.tsv; results/cohort/measurements.tsv (flag)",
    )


def baseline(facts: Facts) -> Answer:
    """Table 1."""
    variables = facts.settings["statistics"]["table1_variables"]
    if not variables:
        return author()
    group = facts.table1.get("group")
    by = f" by {code(group)}" if group else ""
    fact = f"Table 1 gives {count(len(variables), 'characteristic')}{by}"
    return partly(fact, f"{STATISTICS}; results/statistics/table1.tsv")


def flow(facts: Facts) -> Answer:
    """The diagram of those in the study's table."""
    return partly(f"flow diagram of {count(facts.n_people, 'participant')}", FLOW)


def severity(facts: Facts) -> Answer:
    """Classes of bone, where the study asks for them."""
    classes = facts.settings["cohort"]["classes"]
    if not classes:
        return author()
    columns = listing([code(f"{name}_class") for name in classes])
    return partly(f"classes by published cut-offs: {columns}", "results/cohort/participants.tsv")


def input_quality(facts: Facts) -> Answer:
    """What the program does with poor input."""
    return partly(
        "the program refuses incomplete series, calibrations and regions with a reason, and flags "
        "doubtful values",
        "results/cohort/exclusions.tsv",
    )


def _yes_no(met: bool, place: str) -> Answer:
    return filled("yes" if met else "no", place)
