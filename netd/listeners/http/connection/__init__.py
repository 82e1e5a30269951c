"""A client's connection: its socket, its state and deadlines, and its requests in order.

`connection` is where a request enters and where its answer leaves.
"""
