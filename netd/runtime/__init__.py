"""The operating system's interfaces; independent of listeners and configuration."""
