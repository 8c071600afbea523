"""MXNet 1.9.1: trains by its Module, predicts by executors, reads records by its ImageRecordIter."""

from engines.mxnet.predictor import load_predictor
from engines.mxnet.trainer import create_trainer

__all__ = ["create_trainer", "load_predictor"]
