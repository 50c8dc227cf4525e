"""What an export that makes vectors of texts calls itself, and its outputs."""

EMBEDDING = "embedding"
"""In place of a head."""
HIDDEN, VECTOR = "last_hidden_state", "sentence_embedding"
"""The names that sentence-transformers and transformers.js look for."""
