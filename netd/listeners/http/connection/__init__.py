"""A client's connection: its socket, its state and deadline, and its requests in order.

`connection` receives the bytes of requests and sends those of responses. May import `response`,
`routes`, `files` and `protocol`.
"""
