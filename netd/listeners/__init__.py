"""The kinds of service, one module or package each; no kind knows another."""
