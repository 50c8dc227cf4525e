"""The parts of a report: each makes its section from what was read, or nothing."""
