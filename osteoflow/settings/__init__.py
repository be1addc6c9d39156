"""Sections of `config.yaml`, a module per stage."""
