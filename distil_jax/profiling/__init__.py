"""Speed of what runs here: training steps, forward passes, and what large matmuls reach."""
