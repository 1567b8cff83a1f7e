"""What can be served, and the words both ends of the wire use. Knows nobody."""
