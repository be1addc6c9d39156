"""Settings of outcome models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from osteoflow.settings.radiomics import RadiomicsName
from osteoflow.settings.section import Name, Section

Kind = Literal["binary", "ordinal", "continuous", "survival"]
Learner = Literal["lasso", "elastic_net", "logistic", "svm", "random_forest", "gradient_boosting"]
# Learners whose linear predictor is a Rad-score that may enter a combined model.
SPARSE_LINEAR = ("lasso", "elastic_net")
# Learners of each kind of outcome; of a binary one all.
KIND_LEARNERS: dict[str, tuple[str, ...]] = {
    "ordinal": SPARSE_LINEAR,
    "continuous": (*SPARSE_LINEAR, "svm", "random_forest", "gradient_boosting"),
    "survival": SPARSE_LINEAR,
}


class Harmonisation(Section):
    """ComBat harmonisation of features by site, fitted in the training data alone."""

    site: str = Field(description="Column that names each participant's site or scanner.")
    covariates: list[str] = Field(
        [],
        description="Columns whose effects are kept while sites are harmonised; never the outcome.",
    )
    unseen_site: Literal["refuse", "leave"] = Field(
        "refuse",
        description="What becomes of rows of a site that the training data lack: the analysis is "
        "refused, or their features stay as they are and a warning says so.",
    )


class UnivariateFilter(Section):
    """Features that are associated with the outcome one by one, in the training data."""

    alpha: float = Field(0.05, gt=0, lt=1, description="Largest p value of a kept feature.")
    correction: Literal["none", "fdr"] = Field(
        "none", description="Correction of the p values for the number of features."
    )


class RadiomicsPredictors(Section):
    """The radiomic part of an analysis."""

    image: RadiomicsName | list[RadiomicsName] = Field(
        description="Image, or list of images, whose pooled trabecular features are used."
    )
    icc_threshold: float = Field(
        0.75,
        ge=0,
        lt=1,
        description="Least lower 95 % limit of ICC(2,1) (of perturbed images ICC(1,1)), found in "
        "the training data alone; not applied where nothing was read again.",
    )
    reliability: list[Literal["inter_rater", "intra_rater", "scan_rescan", "perturbation"]] = Field(
        ["inter_rater"],
        min_length=1,
        description="Readings that a feature must be reliable in, one after the other: two raters, "
        "repeated outlines of one rater, repeated scans "
        "(`statistics.reproducibility.repeat_sessions`), perturbed images "
        "(`radiomics.perturbation`).",
    )
    reliability_set: str | None = Field(
        None,
        description="A rule such as `group == test_retest` that names participants who serve the "
        "reliability of features alone and are never modelled; absent: the training data.",
    )
    harmonisation: Harmonisation | None = Field(
        None, description="ComBat by site; absent: features are not harmonised."
    )
    univariate: UnivariateFilter | None = Field(
        None, description="Filter by association with the outcome; absent: none."
    )
    correlation_threshold: float = Field(
        0.9, gt=0, le=1, description="Features more correlated than this (|r|) are redundant."
    )
    mrmr: int | None = Field(
        None,
        ge=1,
        description="Number of features kept by minimum redundancy and maximum relevance; "
        "absent: no such step.",
    )
    learners: list[Learner] = Field(
        ["lasso"],
        min_length=1,
        description="Models of the features. The first gives the Rad-score of the combined model "
        "and is called `radiomics`; each other one is compared as `radiomics_<learner>`.",
    )
    l1_ratio: float = Field(
        0.5, gt=0, lt=1, description="Share of the L1 penalty in the elastic net."
    )

    @property
    def images(self) -> list[RadiomicsName]:
        """Images in the order given."""
        return self.image if isinstance(self.image, list) else [self.image]

    @field_validator("reliability", "learners", "image")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        if isinstance(names, list) and len(set(names)) < len(names):
            raise ValueError("a name stands twice")
        if not names:
            raise ValueError("the list is empty")
        return names


class Analysis(Section):
    """One outcome, its predictors, and how they are validated."""

    name: Name = Field(description="Name of the analysis and of its folder.")
    kind: Kind = Field(
        "binary",
        description="What the outcome is: an event or none (`binary`), ordered classes "
        "(`ordinal`), a quantity (`continuous`), or the time to an event (`survival`).",
    )
    outcome: str = Field(
        description="A 0/1 column, or a rule such as `vbmd_l1l2_mean < 80`, that is the event "
        "(`binary`, `survival`); the column with the classes or the quantity (`ordinal`, "
        "`continuous`)."
    )
    outcome_label: str = Field("Event", description="The outcome's name in figures.")
    classes: list[str] = Field(
        [],
        description="Of an ordinal outcome: its classes in order, as the column's texts, or with "
        "`cuts` the names of the intervals from the lowest value to the highest.",
    )
    cuts: list[float] = Field(
        [],
        description="Of an ordinal outcome in numbers: rising bounds between the classes; a value "
        "that equals a bound belongs to the class above it. Published classes, whose bounds may "
        "differ in that, are columns of `cohort.classes`.",
    )
    time: str | None = Field(
        None, description="Of a time to event: the column with the time to event or censoring."
    )
    horizon: float | None = Field(
        None,
        gt=0,
        description="Of a time to event: the time, in the unit of `time`, at which risks are "
        "predicted and judged; absent: scores alone.",
    )
    clinical: list[str] = Field(
        [],
        description="Columns of the clinical model (numbers, or text taken as categories).",
    )
    measurements: list[str] = Field(
        [],
        description="Columns with measurements (vBMD, HU, PDFF, T2*) that make a model of their "
        "own and enter the combined model.",
    )
    baselines: list[str] | None = Field(
        None,
        description="Columns each of which makes a model alone that the others are compared with, "
        "such as the mean HU. Left out, with radiomic features of the CT (`ct`, `vbmd`): the first "
        "mean vBMD of `cohort.summaries`, else the first mean HU, that does not define the "
        "outcome, unless a model of vBMD or HU alone is there already. `[]`: none.",
    )
    radiomics: RadiomicsPredictors | None = Field(
        None, description="The radiomic predictors; absent: none."
    )
    outer_folds: int = Field(5, ge=2, description="Folds of the outer cross-validation.")
    repeats: int = Field(5, ge=1, description="Repetitions of the outer cross-validation.")
    inner_folds: int = Field(5, ge=2, description="Folds that choose penalties.")
    penalty: Literal["lambda_min", "lambda_1se"] = Field(
        "lambda_min", description="Which LASSO or elastic-net penalty is taken."
    )
    holdout_fraction: float = Field(
        0.0,
        ge=0,
        lt=0.9,
        description="Share of participants kept aside at random for the final comparison, "
        "stratified by the outcome; 0: none. Wasteful in all but large studies: cross-validation "
        "uses everybody, and another site or year (`holdout_rule`) tells more.",
    )
    holdout_rule: str | None = Field(
        None,
        description="A rule such as `site == B` that names the hold-out instead of a random one.",
    )
    bootstraps: int = Field(
        1000, ge=100, description="Resamplings of participants behind each interval."
    )
    optimism_bootstraps: int = Field(
        0,
        ge=0,
        description="Resamplings of participants in each of which the whole pipeline is fitted "
        "again, for optimism-corrected and .632+ performance; 0: none.",
    )
    permutations: int = Field(
        20,
        ge=0,
        description="Permutations of the outcome in each of which the whole pipeline is "
        "cross-validated again, as a check for leakage; 0: none.",
    )
    score_permutations: int = Field(
        99,
        ge=0,
        description="Permutations of the features against outcome and other predictors behind the "
        "p value of what the Rad-score adds to a model; the signature is learned anew in each; 0: "
        "no p value.",
    )
    anticipated_auc: float | None = Field(
        None,
        gt=0.5,
        lt=1,
        description="AUC that a model of a binary outcome is expected to reach, from earlier "
        "studies, for the sample size needed; absent: 15 % of the greatest R2.",
    )
    prevalence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Prevalence in the target population, for decision curves of case-control "
        "data, to which the models' probabilities are carried; absent: that of the data.",
    )

    @property
    def images(self) -> list[RadiomicsName]:
        """Images whose features are predictors."""
        return [] if self.radiomics is None else self.radiomics.images

    @property
    def columns(self) -> list[str]:
        """Columns of the participants table that are predictors, each once."""
        return list(dict.fromkeys([*self.clinical, *self.measurements, *(self.baselines or ())]))

    @property
    def models(self) -> list[str]:
        """Names of the models, simple ones first, the combined one last."""
        names = [f"baseline_{column}" for column in self.baselines or ()]
        names += ["clinical"] * bool(self.clinical) + ["measurements"] * bool(self.measurements)
        if self.radiomics is not None:
            first, *others = self.radiomics.learners
            names += ["radiomics", *(f"radiomics_{learner}" for learner in others)]
        blocks = {"clinical", "measurements", "radiomics"} & set(names)
        return names + ["combined"] * (len(blocks) > 1)

    def without_use(self) -> list[str]:
        """Settings that are written down and that no learner reads, each in a sentence.

        To be asked of what a user wrote: a dump of all settings holds their defaults, too.
        """
        learners = [] if self.radiomics is None else self.radiomics.learners
        found = []
        if (
            self.radiomics is not None
            and "l1_ratio" in self.radiomics.model_fields_set
            and "elastic_net" not in learners
        ):
            found.append(
                "radiomics.l1_ratio belongs to the learner elastic_net, which is not among "
                f"radiomics.learners ({', '.join(learners)}): leave it out or add the learner"
            )
        if "penalty" in self.model_fields_set and not set(learners) & set(SPARSE_LINEAR):
            found.append(
                f"penalty belongs to the learners {' and '.join(SPARSE_LINEAR)}, and this analysis "
                f"has {'none' if not learners else 'only ' + ', '.join(learners)}: leave it out"
            )
        return found

    @model_validator(mode="after")
    def _is_complete(self) -> Analysis:
        if not self.columns and self.radiomics is None:
            raise ValueError("there is no predictor: give clinical, measurements or radiomics")
        if (self.kind == "ordinal") != bool(self.classes):
            raise ValueError("classes belong to ordinal outcomes, and these need them")
        if self.kind == "ordinal" and len(set(self.classes)) != max(3, len(self.classes)):
            raise ValueError("an ordinal outcome needs three or more different classes")
        if self.cuts and len(self.cuts) != len(self.classes) - 1:
            raise ValueError("cuts: there must be one bound fewer than classes")
        if any(low >= high for low, high in zip(self.cuts, self.cuts[1:], strict=False)):
            raise ValueError("cuts: the bounds must rise")
        if (self.kind == "survival") != (self.time is not None):
            raise ValueError("time belongs to outcomes of the kind survival, and these need it")
        if self.horizon is not None and self.kind != "survival":
            raise ValueError("horizon belongs to outcomes of the kind survival")
        self._suits_its_kind()
        if self.radiomics is not None and len(self.models) > 1:
            first = self.radiomics.learners[0]
            if "combined" in self.models and first not in SPARSE_LINEAR:
                raise ValueError(
                    f"radiomics.learners: '{first}' gives no Rad-score for a combined model; put "
                    f"{' or '.join(SPARSE_LINEAR)} first"
                )
        return self

    def _suits_its_kind(self) -> None:
        """Refuse what outcomes of a kind do not have."""
        if self.kind == "binary":
            return
        known = KIND_LEARNERS[self.kind]
        for learner in [] if self.radiomics is None else self.radiomics.learners:
            if learner not in known:
                raise ValueError(
                    f"radiomics.learners: outcomes of the kind {self.kind} have the learners "
                    f"{', '.join(known)}, not '{learner}'"
                )
        if self.optimism_bootstraps:
            raise ValueError(
                "optimism_bootstraps: the bootstrap correction is there for binary outcomes alone"
            )
        if self.prevalence is not None:
            raise ValueError("prevalence: decision curves are there for binary outcomes alone")
        if self.anticipated_auc is not None:
            raise ValueError("anticipated_auc: an area is expected of binary outcomes alone")
