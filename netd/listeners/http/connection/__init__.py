"""A client's connection: its socket, its state and deadline, and its requests in order.

`connection` receives the bytes of requests and sends those of responses, over the socket of
`client_socket`. May import `response`, `routes`, `files` and `protocol`.
"""
