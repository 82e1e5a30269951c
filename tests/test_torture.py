"""A sample of the torture tests: system calls of the daemon fail, and it is whole afterwards.

`python -m tests.torture` runs all of them; see tests/README.md.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.torture.case import KILL, Case, all_cases, parse_case, sample

_CALLS = {"accept4": [1, 2], "read": range(1, 1001), "getpid": [1]}


def test_each_call_fails_with_each_of_its_errors_and_at_each_number() -> None:
    cases = list(all_cases("supervisor", "status", {"accept4": [2], "close": [1, 3]}))
    errors = {case.error for case in cases if case.call == "accept4"}
    assert {"EMFILE", "ENOBUFS", "ECONNABORTED", KILL} <= errors
    assert {case.when for case in cases if case.call == "accept4"} == {"2"}
    assert [case.error for case in cases if case.call == "close"] == [KILL, KILL]


def test_a_sample_depends_on_the_seed_and_takes_rare_calls_too() -> None:
    cases = list(all_cases("supervisor", "status", _CALLS))
    chosen = sample(cases, 12, seed=1)
    assert chosen == sample(cases, 12, seed=1) != sample(cases, 12, seed=2)
    calls = Counter(case.call for case in chosen)
    assert calls["accept4"] >= 3
    assert calls["getpid"] == 1


def test_the_arguments_of_a_case_give_the_case_again() -> None:
    case = Case("web", "serve", "accept4", "EMFILE", "2+")
    assert case.arguments == "--role web --phase serve --case accept4:EMFILE:2+"
    assert parse_case("web", "serve", "accept4:EMFILE:2+") == case
    assert case.injection == "accept4:error=EMFILE:when=2+"


@pytest.mark.needs("strace")
@pytest.mark.parametrize("role", ["supervisor", "web"])
def test_a_daemon_whose_system_calls_fail_is_whole_afterwards(role: str) -> None:
    options = ["--role", role, "--phases", "2", "--count", "10", "--seed", "13", "--seconds", "5"]
    command = [sys.executable, "-m", "tests.torture", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "whole" in ended.stdout
