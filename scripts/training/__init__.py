"""Training a network epoch by epoch: records, optimizers, checkpoints, metrics."""
