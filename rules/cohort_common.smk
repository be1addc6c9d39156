"""What the cohort's steps share: memory requests, settings and files by name."""

from osteoflow.figures.of_kind import model_figures


def statistics_memory(wildcards, attempt):
    """Grows with the number of subjects."""
    return (1000 + len(SUBJECTS)) * attempt


def declared(*keys):
    """Some keys of the statistics' settings."""
    return canonical(CONFIG.statistics.model_dump(include=set(keys), mode="json"))


def tested_measurements():
    """What is tested; what the event is called matters to the figure alone."""
    kept = {"measurement_roc", "mixed_models"}
    labels = {"measurement_roc": {"__all__": {"outcome_label"}}}
    dumped = CONFIG.statistics.model_dump(include=kept, exclude=labels, mode="json")
    return canonical(dumped)


def declared_of_figure(wildcards):
    """What the study declares of a figure: its correlation, matrix or ROC analysis."""
    settings = CONFIG.statistics
    found = {
        key: [
            item.model_dump(mode="json")
            for item in getattr(settings, key)
            if item.figure == wildcards.figure
        ]
        for key in ("correlations", "correlation_matrices", "measurement_roc")
    }
    return canonical({key: items for key, items in found.items() if items})


def model_figure_files(output):
    """Files of every figure of every analysis; which figures depends on the outcome's kind."""
    return [
        path
        for name, analysis in ANALYSES.items()
        for path in expand(output, analysis=name, figure=model_figures(analysis))
    ]
