"""A client's connection: its socket, its state and deadline, and its requests in order.

- `connection`: receives the bytes of requests and sends those of responses
- `client_socket`: its base, the socket (`transport`, `tls_transport`) and its `send_queue`
- `exchange`: the requests that were received, in order, and their responses
- `connection_state`, `descriptor_table`: a connection as data, for another process
- `handoff_sender`, `relay`, `hook_caller`: connections and requests that a chat listener serves

May import `response`, `routes`, `files` and `protocol`.
"""
