"""The run itself: config, step, optimizer, devices, checkpoints, loop, validation."""
