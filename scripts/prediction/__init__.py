"""Prediction: decoder processes push batches of pictures to the process that owns the devices."""
