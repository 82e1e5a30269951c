"""Reads, checks and documents the configuration. It opens no socket and starts no process."""
