"""PyTorch: trains and predicts what MXNet does, on the CPU and on GPUs that MXNet has no kernels for."""

from engines.torch.predictor import load_predictor
from engines.torch.timm_networks import describe
from engines.torch.trainer import create_trainer

__all__ = ["create_trainer", "describe", "load_predictor"]
