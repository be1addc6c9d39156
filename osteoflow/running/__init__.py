"""Starting the workflow, and saying what it will do, does and did."""
