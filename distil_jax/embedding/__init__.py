"""Vectors of sentences: computed, written to files, scored, and those of static models."""
