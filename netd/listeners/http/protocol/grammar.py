"""The grammar of RFC 9110 and 9112 as compiled patterns; every one is linear in its input.

Quantifiers over overlapping classes are possessive (`*+`), so that no input makes a pattern
go back over what it has matched.
"""

from __future__ import annotations

import re
from typing import Final

TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
TEXT: Final = rb"[\t\x20-\x7e\x80-\xff]*+"  # field-content with its surrounding blanks

# Versions are judged apart from the line, so that a foreign one can be told from garbage.
REQUEST_LINE: Final = re.compile(rb"(" + TOKEN + rb") ([!-~]++) HTTP/([0-9])\.([0-9])")
METHOD: Final = re.compile(TOKEN)
FIELD_LINE: Final = re.compile(rb"(" + TOKEN + rb"):(" + TEXT + rb")")
FIELD_LINES: Final = re.compile(rb"(?:" + TOKEN + rb":" + TEXT + rb"\r\n)*+")
FIELDS: Final = re.compile(rb"(" + TOKEN + rb"):(" + TEXT + rb")\r\n")

# What no line of a head may hold: a bare LF or CR, or a control byte.
FOUL: Final = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# RFC 3986, and beyond it only what browsers leave unescaped and nobody gives a meaning to.
_PCT: Final = rb"%[0-9A-Fa-f]{2}"
_PCHAR: Final = rb"[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]|^]"
_PATH: Final = rb"(?:/(?:" + _PCHAR + rb"|" + _PCT + rb")*+)++"
_QUERY: Final = rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]{}|\\^`]|" + _PCT + rb")*+"
_PORT: Final = rb"(?::([0-9]{0,5}))?"
_REG_NAME: Final = rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|" + _PCT + rb")++"
_IP_LITERAL: Final = rb"\[[0-9A-Fa-f:.]++\]"
_AUTHORITY: Final = rb"(" + _IP_LITERAL + rb"|" + _REG_NAME + rb")" + _PORT

ORIGIN_FORM: Final = re.compile(rb"(" + _PATH + rb")(?:\?(" + _QUERY + rb"))?")
ABSOLUTE_FORM: Final = re.compile(
    rb"https?://(" + _AUTHORITY + rb")(" + _PATH + rb")?(?:\?(" + _QUERY + rb"))?", re.IGNORECASE
)
HOST: Final = re.compile(_AUTHORITY)

CONTENT_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,17}")  # leading zeros: octal to some
_QUOTED: Final = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:;" + TOKEN + rb"(?:=(?:" + TOKEN + rb"|" + _QUOTED + rb"))?)*+"
)


def list_members(value: bytes) -> list[bytes]:
    """The members of a comma-separated list in lower case, empty ones dropped (RFC 9110 5.6.1)."""
    return [member for part in value.lower().split(b",") if (member := part.strip(b" \t"))]
