"""HTTP for programs: parse, call the queue, wrap. One module a resource."""
