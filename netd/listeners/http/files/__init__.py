"""Responses made from files: finds the file of a path, and chooses how to send it.

- `directory`: the handler of a route, which opens the file (`openat`) or has a page made
- `representation`: the response made from an open file, with `mime` and `compressions`
- `listings`: the pages for directories, with `directory_listing`, `directory_entries` and
  `listing_query`; `sliced_responses` are made a slice at a time

May import `protocol` and `pages`, but not `routes`.
"""
