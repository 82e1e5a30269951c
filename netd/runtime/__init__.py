"""The operating system's services for netd; independent of listeners and configuration."""
