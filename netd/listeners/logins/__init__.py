"""Password checks of the kinds that have them, in a fair order and away from the loop.

`password_verifier` is the entry; `login_queue` orders the checks that wait, `login_log` writes
wrong passwords to the log, `login_options` has the limits.
"""
