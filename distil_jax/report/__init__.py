"""Figures and tables of a run, from its files alone."""
