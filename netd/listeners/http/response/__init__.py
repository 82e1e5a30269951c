"""From a request to the bytes of its answer: responses, the cache of ready ones, the access log."""
