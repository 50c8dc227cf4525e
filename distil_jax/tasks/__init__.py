"""Kinds of tasks: what each reads, its head, its objective, its predictions and its metrics."""
