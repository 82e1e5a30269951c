"""The kinds of listener, a module or package for each one; no kind imports another."""
