"""From a request to the bytes of its response; shared by all connections of a worker.

`responder` joins the routes, the response cache and the access log. May import `routes`, `files`
and `protocol`, but not `connection`.
"""
