"""Responses made from files: finds the file of a path, and chooses how to send it.

May import `protocol` and `pages`, but not `routes`.
"""
