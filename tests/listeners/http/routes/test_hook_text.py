"""The text of a message in the bodies that scripts and programs send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netd.errors import RemoteProtocolError
from netd.listeners.http.routes.hook_text import HookText, text_of

FORM = {b"content-type": b"application/x-www-form-urlencoded"}
JSON = {b"content-type": b"application/json; charset=utf-8"}

ALERTMANAGER = {
    "channel": "#alerts",
    "username": "Alertmanager",
    "attachments": [
        {
            "title": "[FIRING:1] DiskFull (db1)",
            "title_link": "http://am:9093/#/alerts?receiver=chat",
            "text": "",
            "fallback": "[FIRING:1] DiskFull | http://am:9093",
            "fields": [{"title": "Severity", "value": "page", "short": True}],
            "footer": "",
            "color": "danger",
            "mrkdwn_in": ["fallback", "pretext", "text"],
        }
    ],
}
GRAFANA = {
    "receiver": "chat",
    "status": "firing",
    "alerts": [{"labels": {"alertname": "High"}}],
    "title": "[FIRING:1] High",
    "message": "**Firing**\n\nValue: A=9",
}
HEALTHCHECKS = {
    "username": "healthchecks.io",
    "attachments": [
        {
            "color": "danger",
            "fallback": 'The check "Backup" is DOWN.',
            "title": "\N{LEFT DOUBLE QUOTATION MARK}Backup\N{RIGHT DOUBLE QUOTATION MARK} is DOWN.",
            "fields": [{"title": "Last Ping", "value": "2 &amp; 1/2 hours ago"}],
        }
    ],
}
BLOCKS = {
    "blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "Build"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*branch* main"}]},
        {
            "type": "context",
            "elements": [{"type": "mrkdwn", "text": "by <@U1|ann>"}, {"type": "image"}],
        },
        {"type": "divider"},
    ]
}
PUSH = {
    "ref": "refs/heads/main",
    "compare": "https://github.com/o/r/compare/a...b",
    "repository": {"full_name": "o/r"},
    "sender": {"login": "ann"},
    "commits": [
        {"id": "0123456789ab", "message": "Fix it\n\nlong text"},
        {"id": "b", "message": "x"},
    ],
}
ISSUE = {
    "action": "opened",
    "issue": {"number": 3, "title": "It is broken", "html_url": "https://github.com/o/r/issues/3"},
    "repository": {"full_name": "o/r"},
    "sender": {"login": "ann"},
}


def from_json(message: Any, **fields: str) -> HookText:
    more = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    return text_of(json.dumps(message).encode(), {**JSON, **more})


@pytest.mark.parametrize(
    ("body", "fields", "text"),
    [
        (b"deploy done", FORM, "deploy done"),  # curl -d
        (b"100% sure & a=b+c", FORM, "100% sure & a=b+c"),
        (b"text=a+b%21&x=y", FORM, "a b!"),
        (b'payload={"text":+"hi"}', FORM, "hi"),
        (b'{"text": "hi"}', FORM, "hi"),
        (b'{"no json}', FORM, '{"no json}'),
        (b"a=b&" * 1000, FORM, "a=b&" * 1000),
        (b"plain", {}, "plain"),
        (
            b"two\r\nlines\rand\x0bmore\n\n",
            {b"content-type": b"text/plain"},
            "two\nlines\nand\nmore",
        ),
        (b'{"text": "as it is"}', {b"content-type": b"text/plain"}, '{"text": "as it is"}'),
        (b"a\0b\x01c\x07\x1b[31md\x7f\xc2\x9be", {}, "abc[31mde"),
        (b"\x02bold\x02 \x0304red\x0f", {}, "\x02bold\x02 \x0304red\x0f"),
        (b"tab\tstop", {}, "tab stop"),
        (b'\xef\xbb\xbf{"text": "x"}', JSON, "x"),
        ("grüße \N{GRINNING FACE}".encode(), {}, "grüße \N{GRINNING FACE}"),
        (b'{"text": "\\ud800x\\u0000"}', JSON, "x"),
        (b'{"text": "x", "channel": "#other", "n": 1}', JSON, "x"),
    ],
)
def test_the_text_of_a_body(body: bytes, fields: dict[bytes, bytes], text: str) -> None:
    assert text_of(body, fields) == HookText(text)


@pytest.mark.parametrize(
    ("body", "fields", "status"),
    [
        (b"", {}, 400),
        (b" \n\t\r\n", {}, 400),
        (b"\x01\x00", {}, 400),
        (b"\xff", {}, 400),
        (b"{", JSON, 400),
        (b"[1]", JSON, 400),
        (b'{"text": 1}', JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b'{"a":' * 100_000, JSON, 400),
        (b"payload=x", FORM, 400),
        (b"--x\r\n", {b"content-type": b"multipart/form-data; boundary=x"}, 415),
        (b"x", {b"content-encoding": b"gzip"}, 415),
    ],
)
def test_bodies_without_a_text(body: bytes, fields: dict[bytes, bytes], status: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        text_of(body, fields)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        (
            ALERTMANAGER,
            [
                "[FIRING:1] DiskFull (db1) (http://am:9093/#/alerts?receiver=chat)",
                "Severity: page",
            ],
        ),
        (
            HEALTHCHECKS,
            [
                "\N{LEFT DOUBLE QUOTATION MARK}Backup\N{RIGHT DOUBLE QUOTATION MARK} is DOWN.",
                "Last Ping: 2 & 1/2 hours ago",
            ],
        ),
        (BLOCKS, ["Build", "*branch* main", "by @ann"]),
        (
            {
                "text": "<!here> see <https://x.example|the site> and <https://y.example>",
                "username": "",
            },
            ["@here see the site (https://x.example) and https://y.example"],
        ),
        ({"text": "t", "blocks": [{"text": {"text": "not shown twice"}}]}, ["t"]),
        (
            {"attachments": [{"fallback": "plain"}, 1, None, {"fields": "x", "title": ["y"]}]},
            ["plain"],
        ),
    ],
)
def test_messages_for_slack(message: dict[str, Any], lines: list[str]) -> None:
    assert from_json(message) == HookText("\n".join(lines), is_slack=True)


def test_messages_of_other_programs() -> None:
    assert from_json(GRAFANA).text == "[FIRING:1] High\n**Firing**\n\nValue: A=9"
    assert from_json({"text": "a &lt; b"}).text == "a < b"
    assert from_json({"content": "discord"}).text == "discord"


def test_events_of_github() -> None:
    push = from_json(PUSH, x_github_event="push").text.split("\n")
    assert push == [
        "[o/r] ann pushed 2 commits to main https://github.com/o/r/compare/a...b",
        "01234567 Fix it",
        "b x",
    ]
    link = "https://github.com/o/r/issues/3"
    issue = from_json(ISSUE, x_github_event="issues").text
    assert issue == f"[o/r] ann opened issue #3: It is broken {link}"
    comment = {**ISSUE, "action": "created", "comment": {"html_url": f"{link}#c1"}}
    text = from_json(comment, x_github_event="issue_comment").text
    assert text == f"[o/r] ann created issue comment #3: It is broken {link}#c1"
    run = {"action": "completed", "workflow_run": {"name": "CI", "conclusion": "failure"}}
    assert from_json(run, x_github_event="workflow_run").text == (
        "someone completed workflow run (failure): CI"
    )
    assert from_json({"zen": "x"}, x_github_event="ping").text == "someone sent ping"
