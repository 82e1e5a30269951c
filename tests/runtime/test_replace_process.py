"""Each test replaces the program of a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SETUP = """
import os, select, signal, sys
from netd.runtime.replace_process import own_command, replace_process
def content(fd): return os.pread(fd, 100, 0).decode()
def file(text):
    fd = os.memfd_create(text)
    os.write(fd, text.encode())
    return fd
"""
SHOW = (
    "import os; count = int(os.environ['LISTEN_FDS']);"
    "assert os.environ['LISTEN_PID'] == str(os.getpid());"
    "names = os.environ['LISTEN_FDNAMES'].split(':') if count else [];"
    "print(*[(name, os.pread(3 + i, 100, 0).decode()) for i, name in enumerate(names)]);"
    "print(sorted(fd for fd in range(3, 300) if os.path.exists(f'/proc/self/fd/{fd}')))"
)


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SETUP + script, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("order", ["abc", "cba", "bca", "cab", "aab", "bbb"])
def test_descriptors_arrive_under_their_labels_in_whatever_order_they_have(order: str) -> None:
    script = """
files = {"a": 3, "b": 4, "c": 5}
for name, fd in files.items():
    assert file(name) == fd
descriptors = [(f"label-{name}", files[name]) for name in sys.argv[2]]
replace_process([sys.executable, "-c", sys.argv[1]], os.environ, descriptors)
"""
    first, second = run(script, SHOW, order).splitlines()
    assert first == " ".join(str((f"label-{name}", name)) for name in order)
    assert second == "[3, 4, 5]"


def test_no_descriptor_arrives_if_none_is_passed() -> None:
    script = "file('a'); replace_process([sys.executable, '-c', sys.argv[1]], os.environ, [])"
    assert run(script, SHOW).splitlines() == ["", "[]"]


def test_after_a_failure_everything_is_as_before() -> None:
    script = """
epoll = select.epoll()  # is 3, which a passed descriptor needs
reader, writer = os.pipe()
epoll.register(reader, select.EPOLLIN)
passed = [file(str(number)) for number in range(10)]
os.set_inheritable(writer, True)
signal.signal(signal.SIGUSR2, lambda *_: print("handled"))
before = sorted(os.listdir("/proc/self/fd"))
try:
    replace_process(["/nonexistent"], os.environ, [(str(fd), fd) for fd in reversed(passed)])
except FileNotFoundError:
    pass
assert sorted(os.listdir("/proc/self/fd")) == before
assert [content(fd) for fd in passed] == [str(number) for number in range(10)]
assert os.get_inheritable(writer) and not os.get_inheritable(reader)
os.write(writer, b"x")
assert epoll.poll(5) == [(reader, select.EPOLLIN)]
os.kill(os.getpid(), signal.SIGUSR2)
"""
    assert run(script) == "handled\n"


def test_a_handled_signal_waits_for_the_new_program() -> None:
    script = """
signal.signal(signal.SIGUSR2, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
replace_process([sys.executable, "-c", sys.argv[1]], os.environ, [])
"""
    pending = "import signal; print(signal.sigpending() == {signal.SIGUSR2})"
    assert run(script, pending) == "True\n"


def test_without_room_for_copies_everything_is_as_before() -> None:
    script = """
import resource
passed = [file(str(number)) for number in range(10)]
os.listdir("/proc/self/fd")
before = sorted(os.listdir("/proc/self/fd"))
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for limit in range(13, 35):
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        replace_process(["/nonexistent"], os.environ, [(str(fd), fd) for fd in passed])
    except OSError as error:
        print(error.strerror)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert [content(fd) for fd in passed] == [str(number) for number in range(10)]
"""
    assert set(run(script).splitlines()) == {
        *("Too many open files", "Invalid argument", "No such file or directory"),
    }


def test_the_own_command_keeps_the_interpreter_s_options() -> None:
    script = "from netd.runtime.replace_process import own_command; print(own_command())"
    command = [sys.executable, "-W", "error", "-c", script, "argument"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{command}\n"
    assert os.path.isabs(sys.executable)
