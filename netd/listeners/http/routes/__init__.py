"""The routes of a listener, their handlers, and the clients that may use them.

`router` chooses the route, `handlers` has the actions of routes. May import `files`,
`protocol` and `pages`; sending and caching a response is left to the packages above.
"""
