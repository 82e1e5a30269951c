"""The text of a message in the body of a request: plain text, a form, or JSON.

JSON is that of Slack's incoming webhooks, which many programs send. The messages of some others are
made of the keys that most of them have: a title, a message, a link. Of a GitHub event the text says
who did what, where.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from netd.errors import RemoteProtocolError

_FORM: Final = b"application/x-www-form-urlencoded"
_MAX_FORM_FIELDS: Final = 100
_MAX_ITEMS: Final = 100  # of a list in JSON
_SLACK_KEYS: Final = frozenset(
    {"attachments", "blocks", "username", "icon_emoji", "icon_url", "mrkdwn", "link_names"}
)
_TEXT_KEYS: Final = ("text", "message", "body", "content", "description")
_NOUNS: Final = {"issues": "issue"}
_SUBJECTS: Final = {  # where an event has what it is about, if not below its own name
    "issues": "issue",
    "issue_comment": "issue",
    "pull_request_review": "pull_request",
    "pull_request_review_comment": "pull_request",
}
_LINK: Final = re.compile(r"<([^<>|]{1,2000})(?:\|([^<>]{0,1000}))?>")
_ESCAPES: Final = {"amp": "&", "lt": "<", "gt": ">"}
_ESCAPE: Final = re.compile("&(amp|lt|gt);")
_LINE_END: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# All but the codes of IRC for bold, colour, monospace, reverse, italic, strikethrough, underline.
_UNPRINTABLE: Final = re.compile(
    "[\x00\x01\x05-\x08\x0e\x10\x12-\x15\x17-\x1c\x7f-\x9f\ud800-\udfff\ufeff]"
)


@dataclass(frozen=True, slots=True)
class HookText:
    """A text to post."""

    text: str
    is_slack: bool = False
    """Whether it came as a message for Slack, whose clients expect the response `ok`."""


def text_of(body: bytes, fields: dict[bytes, bytes]) -> HookText:
    """The text in a body; it has printable lines only, and ends with no empty one.

    Raises RemoteProtocolError, with a status and a reason for the client.
    """
    found = _find_text(body, fields)
    text = _LINE_END.sub("\n", found.text)
    text = _UNPRINTABLE.sub("", text).expandtabs(4).strip("\n").rstrip()
    if not text.strip():
        raise RemoteProtocolError("the body has no text", 400)
    return HookText(text, found.is_slack)


def _find_text(body: bytes, fields: dict[bytes, bytes]) -> HookText:
    media_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    is_encoded = fields.get(b"content-encoding", b"identity").lower() != b"identity"
    if media_type.startswith(b"multipart/") or is_encoded:
        raise RemoteProtocolError("send plain text, JSON or an urlencoded form", 415)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("the body is not UTF-8", 400) from error
    if media_type == b"application/json" or media_type.endswith(b"+json"):
        return _text_of_json(_parse_json(text), fields)
    if media_type == _FORM:
        return _text_of_form(text, fields)
    return HookText(text)


def _text_of_form(text: str, fields: dict[bytes, bytes]) -> HookText:
    """The text of a form; of a body without a known field, as `curl -d` sends it, all of it."""
    try:
        form = dict(parse_qsl(text.strip(), max_num_fields=_MAX_FORM_FIELDS))
    except ValueError:
        return HookText(text)
    if "payload" in form:  # Slack's older form, and GitHub's
        return _text_of_json(_parse_json(form["payload"]), fields)
    if "text" in form:
        return HookText(form["text"])
    if text.startswith("{") and text.rstrip().endswith("}"):
        try:
            return _text_of_json(_parse_json(text), fields)
        except RemoteProtocolError:
            pass
    return HookText(text)


def _parse_json(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("the body is not valid JSON", 400) from error
    if not isinstance(parsed, dict):
        raise RemoteProtocolError('the JSON has to be an object, such as {"text": "hello"}', 400)
    return parsed


def _text_of_json(message: dict[str, Any], fields: dict[bytes, bytes]) -> HookText:
    event = fields.get(b"x-github-event", b"").decode("latin-1")
    if event and "text" not in message:
        return HookText(_text_of_github(event, message))
    if _SLACK_KEYS & message.keys():
        return HookText("\n".join(_slack_lines(message)), is_slack=True)
    if isinstance(message.get("text"), str):
        return HookText(_unmark(message["text"]))
    title = _string(message, "title")
    text = _first(message, _TEXT_KEYS)
    return HookText("\n".join(part for part in (title, text) if part))


def _slack_lines(message: dict[str, Any]) -> Iterator[str]:
    """The lines of a message for Slack: its text, or its blocks; then its attachments."""
    text = _string(message, "text")
    if text:
        yield _unmark(text)
    else:
        yield from _block_lines(message)
    for attachment in _objects(message, "attachments"):
        yield from _attachment_lines(attachment)


def _attachment_lines(attachment: dict[str, Any]) -> Iterator[str]:
    lines = [_unmark(_string(attachment, key)) for key in ("pretext", "title", "text")]
    link = _string(attachment, "title_link")
    if lines[1] and link:
        lines[1] += f" ({link})"
    lines += [
        f"{_unmark(_string(field, 'title'))}: {_unmark(_string(field, 'value'))}"
        for field in _objects(attachment, "fields")
    ]
    lines += _block_lines(attachment)
    shown = [line for line in lines if line.strip()]
    fallback = _unmark(_string(attachment, "fallback"))
    yield from shown or ([fallback] if fallback else [])


def _block_lines(message: dict[str, Any]) -> Iterator[str]:
    for block in _objects(message, "blocks"):
        texts = [block.get("text"), *_objects(block, "fields"), *_objects(block, "elements")]
        for text in texts:
            if isinstance(text, dict) and _string(text, "text"):
                yield _unmark(_string(text, "text"))


def _text_of_github(event: str, message: dict[str, Any]) -> str:
    """A line such as `[owner/name] octocat opened issue #3: a title https://...`."""
    repository = _string(_object(message, "repository"), "full_name")
    sender = _string(_object(message, "sender"), "login") or "someone"
    if event == "push":
        return f"[{repository}] {sender} {_push_text(message)}"
    action = _string(message, "action") or "sent"
    subject = _object(message, _SUBJECTS.get(event, event))
    number = f" #{subject['number']}" if isinstance(subject.get("number"), int) else ""
    title = _first(subject, ("title", "name", "tag_name"))
    state = _string(subject, "conclusion")
    link = _string(_object(message, "comment"), "html_url") or _string(subject, "html_url")
    noun = _NOUNS.get(event, event).replace("_", " ")
    what = f"{action} {noun}{number}{f' ({state})' if state else ''}"
    parts = (f"[{repository}]" * bool(repository), sender, what + (f": {title}" if title else ""))
    return " ".join(part for part in (*parts, link) if part)


def _push_text(message: dict[str, Any]) -> str:
    branch = _string(message, "ref").removeprefix("refs/heads/").removeprefix("refs/")
    commits = _objects(message, "commits")
    lines = [
        f"{_string(commit, 'id')[:8]} {_string(commit, 'message').partition(chr(10))[0]}"
        for commit in commits
    ]
    count = f"{len(commits)} commit{'s' * (len(commits) != 1)}"
    return "\n".join([f"pushed {count} to {branch} {_string(message, 'compare')}", *lines])


def _unmark(text: str) -> str:
    """Slack's markup as plain text: links in angle brackets, and its three escapes."""
    return _ESCAPE.sub(lambda match: _ESCAPES[match[1]], _LINK.sub(_plain_link, text))


def _plain_link(match: re.Match[str]) -> str:
    target, label = match[1], match[2]
    if target[0] in "!@#":  # a mention, of a channel or of a user: their names are Slack's
        return f"@{label or target.lstrip('!@#').partition('^')[0]}"
    return f"{label} ({target})" if label and label != target else target


def _string(table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _first(table: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((value for key in keys if (value := _string(table, key))), "")


def _object(table: dict[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def _objects(table: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = table.get(key)
    found = value[:_MAX_ITEMS] if isinstance(value, list) else []
    return [item for item in found if isinstance(item, dict)]
