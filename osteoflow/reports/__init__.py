"""HTML pages and texts made from results."""
