"""A client's connection: its socket, its state and deadline, and its requests in order.

`connection` is where a request's bytes enter and a response's bytes leave. May import
`response` and what stands below it.
"""
