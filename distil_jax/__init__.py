"""Distil a BERT-family encoder into a smaller, faster one, in JAX (DistilBERT's recipe, arXiv:1910.01108)."""

__version__ = "0.1.0"
