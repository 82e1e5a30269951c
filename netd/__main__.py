"""`python -m netd` is the `netd` command."""

from netd.cli import main

if __name__ == "__main__":
    main()
