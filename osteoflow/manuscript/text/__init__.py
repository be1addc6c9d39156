"""The words of a manuscript: methods with their sources, and reporting checklists."""
