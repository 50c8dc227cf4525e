"""One file, one run: `base` documents every key, the others are small deltas of it."""
