"""The grammar of RFC 9110 and RFC 9112 as compiled patterns, all linear in their input.

Quantifiers over overlapping classes are possessive (`*+`), so that no input causes backtracking.
"""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_TEXT: Final = rb"[\t\x20-\x7e\x80-\xff]*+"  # field-content with the whitespace around it

# Any version matches, so that an unsupported one gets its own status (505).
REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([!-~]++) HTTP/([0-9])\.([0-9])")
METHOD: Final = re.compile(_TOKEN)
FIELD_LINES: Final = re.compile(rb"(?:" + _TOKEN + rb":" + _TEXT + rb"\r\n)*+")
FIELDS: Final = re.compile(rb"(" + _TOKEN + rb"):(" + _TEXT + rb")\r\n")

# Bytes that a line of a head must not contain: a bare LF or CR, or a control byte.
INVALID: Final = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# RFC 3986, and the characters that browsers send without escaping them and that have no meaning.
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

CONTENT_LENGTH: Final = re.compile(
    rb"0|[1-9][0-9]{0,17}"
)  # no leading zeros: some parsers read them as octal
_QUOTED: Final = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*+"
)
