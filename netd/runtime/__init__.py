"""What the operating system does for netd, knowing nothing of listeners or configuration."""
