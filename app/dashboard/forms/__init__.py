"""What people fill in: fields, and the values that the API takes for the same."""
