"""Prediction: a trained network as a function from pictures to probabilities."""
