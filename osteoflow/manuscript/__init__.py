"""What a manuscript needs of a study: tables, methods, checklists."""
