"""Reads, checks and documents the configuration. This package opens no socket."""
