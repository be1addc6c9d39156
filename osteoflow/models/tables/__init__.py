"""Tables of an analysis, from its fitted models and predictions, by subject."""
