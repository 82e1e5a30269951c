"""The fixtures of the client's tests, for scenes with other programs beside it."""

from tests.client.conftest import home, tmux

__all__ = ["home", "tmux"]
