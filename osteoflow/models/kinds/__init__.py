"""Analyses of ordered classes and of quantities: what differs between them, and what they share."""
