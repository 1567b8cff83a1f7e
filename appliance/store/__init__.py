"""What the box keeps: one writer, encrypted, and what it acknowledged it has."""
