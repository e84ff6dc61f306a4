"""Which records are the same thing? Deterministic keys, components, persistent ids (记录链接)."""
