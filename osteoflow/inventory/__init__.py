"""Raw folders to an inventory of series, fingerprints and exclusions."""
