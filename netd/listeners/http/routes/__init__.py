"""Which route answers a request, who may ask, and what each kind of route answers."""
