"""What to hold figures against: programs that do as little as can be done."""
