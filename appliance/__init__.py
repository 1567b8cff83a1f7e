"""What the box does. Knows no web framework."""
