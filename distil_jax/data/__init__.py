"""From text to batches: corpus, packing, store, loader, masking. Import the module you need."""
