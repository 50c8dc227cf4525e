"""How fast and how large: timing, counting."""
