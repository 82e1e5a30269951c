"""Which route responds to a request, which clients may use it, and the kinds of routes.

`router` chooses the route, `handlers` has what routes do. May import `files` and `protocol`;
must not know how a response is sent or cached.
"""
