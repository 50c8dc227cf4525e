"""Distil BERT-family encoders in JAX, by the recipe of DistilBERT (arXiv:1910.01108)."""

__version__ = "0.1.0"
