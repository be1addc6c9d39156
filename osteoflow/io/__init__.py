"""Images, masks and tables on disk."""
