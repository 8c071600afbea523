"""Networks as PyTorch modules: operators with the names and arguments of mx.sym's, which record a torch.fx graph.

The arrays of a module have MXNet's names, with a dot between layer and array: conv0.weight is conv0_weight.
"""

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

import networks
from engines.torch import timm_networks
from engines.torch.optimizers import OURS, Roles
from engines.torch.timm_networks import TimmNetwork
from networks.shapes import Shape
from training.checkpoints import Arrays, Layout


class Convolution(nn.Module):
    """A convolution with zeros around its input, in groups of channels."""

    def __init__(self, weight: Shape, bias: Shape | None, stride: Shape, pad: Shape, groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(weight))
        self.bias = nn.Parameter(torch.empty(bias)) if bias else None
        self.stride, self.pad, self.groups = stride, pad, groups

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight, self.bias, self.stride, self.pad, groups=self.groups)


class FullyConnected(nn.Module):
    """A matrix times features, and a bias."""

    def __init__(self, weight: Shape, bias: Shape) -> None:
        super().__init__()
        self.weight, self.bias = (nn.Parameter(torch.empty(shape)) for shape in (weight, bias))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


class BatchNorm(nn.Module):
    """Batch normalization with MXNet's moving variance, which is biased; PyTorch's is n / (n - 1) times as much.

    With fix_gamma, gamma is 1, whatever the array holds.
    """

    def __init__(self, channels: Shape, eps: float, momentum: float, fix_gamma: bool) -> None:
        super().__init__()
        self.gamma, self.beta = (nn.Parameter(torch.empty(channels)) for _ in range(2))
        self.register_buffer("moving_mean", torch.empty(channels))
        self.register_buffer("moving_var", torch.empty(channels))
        self.eps, self.share_of_batch, self.fix_gamma = eps, 1 - momentum, fix_gamma

    def forward(self, x: Tensor) -> Tensor:
        gamma = None if self.fix_gamma else self.gamma
        if not self.training:
            return functional.batch_norm(x, self.moving_mean, self.moving_var, gamma, self.beta, eps=self.eps)
        of_channel = x.numel() // x.shape[1]
        unbiased = of_channel / (of_channel - 1)
        moving_var = self.moving_var * unbiased
        normalized = functional.batch_norm(
            x, self.moving_mean, moving_var, gamma, self.beta, True, self.share_of_batch, self.eps
        )
        self.moving_var.copy_(moving_var / unbiased)
        return normalized


class TorchOperators:
    """Records what a family module does with its pictures.

    Args:
        shapes: of the network's learned arrays.
    """

    def __init__(self, shapes: dict[str, Shape]) -> None:
        self._shapes = shapes
        self._layers = nn.Module()
        self._graph = fx.Graph()
        self._tracer = fx.proxy.GraphAppendingTracer(self._graph)

    def module(self, *ends: fx.Proxy) -> fx.GraphModule:
        """The network that ends in one value or several; its numbers are not set."""
        nodes = tuple(end.node for end in ends)
        self._graph.output(nodes if len(nodes) > 1 else nodes[0])
        return fx.GraphModule(self._layers, self._graph)

    def _layer(self, name: str, layer: nn.Module, x: fx.Proxy) -> fx.Proxy:
        self._layers.add_module(name, layer)
        return fx.Proxy(self._graph.call_module(name, (x.node,)), self._tracer)

    def Variable(self, name: str) -> fx.Proxy:
        return fx.Proxy(self._graph.placeholder(name), self._tracer)

    def Convolution(
        self,
        x: fx.Proxy,
        num_filter: int,
        kernel: Shape,
        name: str,
        num_group: int = 1,
        no_bias: bool = False,
        stride: Shape = (1, 1),
        pad: Shape = (0, 0),
    ) -> fx.Proxy:
        bias = None if no_bias else self._shapes[f"{name}_bias"]
        return self._layer(name, Convolution(self._shapes[f"{name}_weight"], bias, stride, pad, num_group), x)

    def FullyConnected(self, x: fx.Proxy, num_hidden: int, name: str) -> fx.Proxy:
        return self._layer(name, FullyConnected(self._shapes[f"{name}_weight"], self._shapes[f"{name}_bias"]), x)

    def BatchNorm(self, x: fx.Proxy, name: str, fix_gamma: bool, eps: float = 1e-3, momentum: float = 0.9) -> fx.Proxy:
        return self._layer(name, BatchNorm(self._shapes[f"{name}_gamma"], eps, momentum, fix_gamma), x)

    def Dropout(self, x: fx.Proxy, p: float, name: str) -> fx.Proxy:
        return self._layer(name, nn.Dropout(p), x)

    def Activation(self, x: fx.Proxy, act_type: str, name: str) -> fx.Proxy:
        return {"relu": torch.relu, "sigmoid": torch.sigmoid}[act_type](x)

    def Pooling(
        self,
        x: fx.Proxy,
        kernel: Shape,
        pool_type: str,
        global_pool: bool = False,
        name: str = "",
        stride: Shape = (1, 1),
        pad: Shape = (0, 0),
    ) -> fx.Proxy:
        if global_pool:  # a mean: the backward pass of adaptive_avg_pool2d is not deterministic on GPUs
            return x.mean((2, 3), keepdim=True)
        return {"max": functional.max_pool2d, "avg": functional.avg_pool2d}[pool_type](x, kernel, stride, pad)

    def Pad(self, x: fx.Proxy, mode: str, pad_width: Shape) -> fx.Proxy:
        *_, top, bottom, left, right = pad_width
        return functional.pad(x, (left, right, top, bottom), mode)

    def Flatten(self, x: fx.Proxy, name: str) -> fx.Proxy:
        return x.flatten(1)

    def reshape(self, x: fx.Proxy, shape: Shape, name: str = "") -> fx.Proxy:
        """Zeros stand for sides that stay; here all do before a last one that takes the rest, or none."""
        return x.flatten(shape.count(0)) if 0 in shape else x.reshape(shape)

    def concat(self, *values: fx.Proxy, dim: int) -> fx.Proxy:
        return torch.cat(values, dim)

    def slice_axis(self, x: fx.Proxy, axis: int, begin: int, end: int | None) -> fx.Proxy:
        return x[(slice(None),) * axis + (slice(begin, end),)]

    def identity(self, x: fx.Proxy, name: str) -> fx.Proxy:
        return x

    def minimum(self, x: fx.Proxy, bound: float) -> fx.Proxy:
        return torch.clamp(x, max=bound)

    def broadcast_mul(self, x: fx.Proxy, factor: fx.Proxy) -> fx.Proxy:
        return x * factor


def build(spec: dict, size: int, classes: int, dropout: float = 0.0, with_features: bool = False) -> nn.Module:
    """A network from pictures (batch, 3, size, size) to scores (batch, classes); see networks.build.

    Its numbers are not set; those of timm's networks are drawn. With features, it gives a pair: the scores, and the
    pooled features that they are computed from.

    Raises:
        cli.UserError: timm has no such network.
    """
    if spec["family"] == networks.TIMM:
        return TimmNetwork(spec, size, classes, dropout, with_features)
    arguments, _ = networks.array_shapes(spec, size, classes)
    ops = TorchOperators(arguments)
    if not with_features:
        return ops.module(networks.build(ops, spec, size, classes, dropout))
    pooled = networks.features(ops, spec, size)
    return ops.module(networks.classifier(ops, pooled, classes), pooled)


def classifier(spec: dict) -> tuple[str, ...]:
    """The names of the arrays of a network's last layer."""
    return timm_networks.classifier(spec) if spec["family"] == networks.TIMM else networks.CLASSIFIER


def layout(network: nn.Module) -> Layout:
    """The arrays that a network has; a number alone is an array of one."""
    kinds = (learned_arrays(network), moving_statistics(network))
    shapes = ({name: tuple(array.shape) or (1,) for name, array in kind.items()} for kind in kinds)
    return Layout(*shapes, network.classifier if isinstance(network, TimmNetwork) else networks.CLASSIFIER)


def learned_arrays(network: nn.Module) -> dict[str, nn.Parameter]:
    """By MXNet's names and in its order: that in which the layers compute; by timm's for a network of it."""
    if isinstance(network, TimmNetwork):
        return network.learned_arrays()
    return {_array_name(name): array for name, array in network.named_parameters()}


def moving_statistics(network: nn.Module) -> dict[str, Tensor]:
    """By the same names."""
    if isinstance(network, TimmNetwork):
        return network.moving_statistics()
    return {_array_name(name): array for name, array in network.named_buffers()}


def roles(network: nn.Module) -> Roles:
    """What an optimizer does with a network's arrays."""
    return Roles(network.classifier, network.decays) if isinstance(network, TimmNetwork) else OURS


def _array_name(name: str) -> str:
    return name.replace(".", "_")


@torch.no_grad()
def fill(network: nn.Module, arguments: Arrays, auxiliaries: Arrays) -> None:
    """Give a network all its numbers."""
    for own, given in ((learned_arrays(network), arguments), (moving_statistics(network), auxiliaries)):
        for name, array in own.items():
            array.copy_(torch.from_numpy(np.array(given[name])).reshape(array.shape))


def numbers(network: nn.Module) -> tuple[Arrays, Arrays]:
    """A network's arguments and auxiliaries, as `fill` takes them."""
    return tuple(
        {name: np.atleast_1d(array.detach().cpu().numpy()) for name, array in arrays.items()}
        for arrays in (learned_arrays(network), moving_statistics(network))
    )
