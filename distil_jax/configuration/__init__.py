"""The config of a run: its keys, how a file and flags become one, what a resumed run may change."""
