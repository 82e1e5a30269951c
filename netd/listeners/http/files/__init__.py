"""Responses made from files: which file a path names, and how it is sent.

May import `protocol`; must not know routes.
"""
