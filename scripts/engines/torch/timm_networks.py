"""Networks of timm (PyTorch Image Models) by name, whose arrays keep the names of timm's state dictionaries.

Its networks need nothing of torchvision, which it imports all the same and which does not load beside every build of
PyTorch: so a stand-in takes its place.
"""

import contextlib
import difflib
import fnmatch
import functools
import importlib
import importlib.abc
import importlib.machinery
import math
import sys
import types
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

import cli
import networks
from training.checkpoints import Arrays

LARGEST_BYTE = 255


class TimmNetwork(nn.Module):
    """A network of timm as one of this project: from pictures (batch, 3, size, size) to scores (batch, classes).

    Its numbers are drawn as timm does. With features, it gives a pair: the scores, and the pooled features that they
    are computed from.

    Args:
        spec: name and features, as in config.yaml.

    Attributes:
        classifier: names of the arrays whose rows are classes.

    Raises:
        cli.UserError: timm is not installed or has no such network, pictures of this size do not go into it, or it has
            another number of features or parameters.
    """

    def __init__(self, spec: dict, size: int, classes: int, dropout: float = 0.0, with_features: bool = False) -> None:
        super().__init__()
        self.model = _created(spec["name"], size, classes, dropout)
        self.with_features = with_features
        self.classifier = classifier(spec)
        self._check(spec, size)

    def forward(self, pictures: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if not self.with_features:
            return self.model(pictures)
        seen = self.model.forward_features(pictures)
        return self.model.forward_head(seen), self.model.forward_head(seen, pre_logits=True)

    def learned_arrays(self) -> dict[str, nn.Parameter]:
        return dict(self.model.named_parameters())

    def moving_statistics(self) -> dict[str, Tensor]:
        """What else a state dictionary has; numbers of batches seen are left out, which no network needs."""
        kept = self.model.state_dict()
        buffers = self.model.named_buffers()
        return {name: array for name, array in buffers if name in kept and array.is_floating_point()}

    def decays(self, name: str) -> bool:
        """Whether weight decay acts on a learned array: by timm's rule, not on vectors and what the network excepts."""
        patterns = getattr(self.model, "no_weight_decay", set)()
        is_excepted = any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
        return self.model.get_parameter(name).ndim > 1 and not name.endswith(".bias") and not is_excepted

    def adapted(self, arguments: Arrays, auxiliaries: Arrays) -> tuple[Arrays, Arrays]:
        """A checkpoint's arrays as this network has them: position embeddings of pictures of another size, resampled.

        By the filter that timm has for each kind of network, which knows other layouts of them, too.
        """
        convert = getattr(sys.modules[type(self.model).__module__], "checkpoint_filter_fn", None)
        if convert is None:
            return arguments, auxiliaries
        given = {name: torch.from_numpy(np.array(array)) for name, array in (arguments | auxiliaries).items()}
        found = {name: array.detach().numpy() for name, array in convert(given, self.model).items()}
        statistics = self.moving_statistics()
        return (
            {name: array for name, array in found.items() if name not in statistics},
            {name: array for name, array in found.items() if name in statistics},
        )

    def _check(self, spec: dict, size: int) -> None:
        try:
            features = _feature_count(self.model, size)
        except (RuntimeError, AssertionError) as error:
            raise cli.UserError(
                f"timm's {spec['name']} takes no pictures of {size}x{size} pixels"
                f" ({str(error).partition(chr(10))[0]}); set image.size of its network"
            ) from error
        if features != spec["features"]:
            raise cli.UserError(
                f"timm's {spec['name']} has {features} features, not {spec['features']}; correct its entry in networks:"
                " scripts/describe_network.py writes it"
            )


def classifier(spec: dict) -> tuple[str, ...]:
    """The names of the arrays of a network's last layer, or layers."""
    layers = _configuration(spec["name"]).classifier
    layers = (layers,) if isinstance(layers, str) else layers
    return tuple(f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias"))


def describe(name: str) -> dict:
    """A network of timm as an entry of `networks` in config.yaml, with the pictures that it was trained on.

    Raises:
        cli.UserError: timm is not installed or has no such network.
    """
    configuration = _configuration(name)
    size = configuration.input_size[1]
    name = f"{configuration.architecture}.{configuration.tag}".rstrip(".")
    model, last_layer = _created(name, size, 1, 0.0), classifier({"name": name})
    body = sum(array.numel() for key, array in model.named_parameters() if key not in last_layer)
    resize = math.floor(size / configuration.crop_pct)
    image = {
        "size": size,
        **({"resize": resize} if resize > size else {}),
        "mean": _pixels(configuration.mean),
        "deviation": _pixels(configuration.std),
    }
    own = {"features": _feature_count(model, size), "parameters": body}
    return {"family": networks.TIMM, "name": name, **own, "image": image}


@torch.no_grad()
def _feature_count(model: nn.Module, size: int) -> int:
    """Pooled features of a picture."""
    was_training = model.training
    pooled = model.eval().forward_head(model.forward_features(torch.zeros(1, 3, size, size)), pre_logits=True)
    model.train(was_training)
    return pooled.shape[1]


def _pixels(shares: Sequence[float]) -> list[float]:
    """Numbers for pixels from 0 to 1 as numbers for bytes."""
    return [round(LARGEST_BYTE * share, 4) for share in shares]


def _created(name: str, size: int, classes: int, dropout: float) -> nn.Module:
    """A network of timm that has learned nothing."""
    own = _configuration(name)
    options = {"img_size": size} if own.fixed_input_size and size != own.input_size[1] else {}
    try:
        return library().create_model(name, num_classes=classes, drop_rate=dropout, **options)
    except (TypeError, AssertionError) as error:
        if not options:
            raise
        raise cli.UserError(
            f"timm's {name} takes pictures of {own.input_size[1]} pixels; set image.size of its network"
        ) from error


def _configuration(name: str) -> object:
    """What timm knows of a network's weights: input_size, crop_pct, mean, std, classifier.

    Raises:
        cli.UserError: it has no such network.
    """
    timm = library()
    if timm.is_model(name):
        with contextlib.suppress(RuntimeError):  # it has no such weights
            return timm.get_pretrained_cfg(name)
    near = difflib.get_close_matches(name, timm.list_models() + timm.list_pretrained(), n=1)
    advice = f"do you mean {near[0]}?" if near else "timm.list_models() in Python lists them"
    raise cli.UserError(f"timm {timm.__version__} has no network {name}; {advice}")


@functools.cache
def library() -> types.ModuleType:
    """timm.

    Raises:
        cli.UserError: it is not installed.
    """
    before = set(sys.modules)
    finder = _StandInForTorchvision()
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise cli.UserError("family: timm: the package timm is not installed; make timm installs it") from None
    finally:
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            if _is_torchvision(name):
                del sys.modules[name]


def _is_torchvision(name: str) -> bool:
    return name.partition(".")[0] == "torchvision"


class _AnyName(type):
    """A class with every attribute that is asked for: its name."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _AnyModule(types.ModuleType):
    __path__: tuple = ()

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _AnyName(name, (), {})


class _StandInForTorchvision(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Has every name that timm's modules ask for while they are imported."""

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if _is_torchvision(name) else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _AnyModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass
