"""netd: echo, chat and HTTP services, declared in one TOML file and run as one daemon."""

__version__ = "0.1.0"
