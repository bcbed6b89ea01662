"""The API's addresses, one module a resource."""
