"""Several processes as one run: how they find each other, agree, are supervised, and log."""
