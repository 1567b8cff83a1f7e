"""The conversation: what was said, what is answered, and how."""
