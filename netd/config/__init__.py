"""Configuration: TOML text in, one frozen Config out. Knows no socket and no process."""
