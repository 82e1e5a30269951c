"""The words of texts and logs in the index of words."""

from __future__ import annotations

import re
from typing import Final

from netd.protocols.irc import fold

TEXT_COMMANDS: Final = ("PRIVMSG", "NOTICE")
_FORMATTING: Final = re.compile("\x03[0-9]{0,2}(?:,[0-9]{1,2})?|\x04[0-9a-fA-F]{0,6}")
_UNSPACED: Final = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff])"
)


def log_word(log: int) -> str:
    """The word by which the index finds the messages of a log."""
    return f"log{log}"


def sender_word(nick: str) -> str:
    """The word by which the index finds the messages of a sender; one word for any nick."""
    return f"by{fold(nick).encode().hex()}"


def origin_of(log: int, source: str) -> str:
    """The words for a message's log and sender."""
    return f"{log_word(log)} {sender_word(source.partition('!')[0])}"


def words_of(text: str) -> str:
    """A text as the index splits it into words.

    Colours are left out. In scripts without spaces every character counts as a word.
    """
    text = text.replace("\r", "")  # a line that its client has split
    if "\x03" in text or "\x04" in text:
        text = _FORMATTING.sub(" ", text)
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", text)
