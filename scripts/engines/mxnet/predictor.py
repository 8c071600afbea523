"""Prediction by MXNet's executors."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

import engines
import networks
from engines.mxnet import devices
from engines.mxnet.faults import explained
from engines.mxnet.library import mx
from training import checkpoints

Arrays = list[mx.nd.NDArray]


def network_symbols(network: dict, size: int, classes: int, outputs: Sequence[str]) -> list[mx.sym.Symbol]:
    """Some of engines.OUTPUTS of a network, of its float32 input."""
    pooled = networks.features(mx.sym, network, size)
    scores = networks.classifier(mx.sym, pooled, classes)
    found = {engines.PROBABILITIES: mx.sym.softmax(scores, name="softmax"), engines.FEATURES: pooled}
    return [found[name] for name in outputs]


def prediction_symbol(outputs: list[mx.sym.Symbol], image: dict) -> mx.sym.Symbol:
    """The outputs of data (batch, 3, height, width) uint8 RGB, as a group.

    They are computed from (byte - mean) / deviation * scale in float32, as ImageRecordIter has it in training.
    """
    pixels = mx.sym.cast(mx.sym.Variable("data"), dtype="float32")
    if any(image["mean"]):
        pixels = mx.sym.broadcast_sub(pixels, of_channels(image["mean"]))
    if "deviation" in image:
        pixels = mx.sym.broadcast_div(pixels, of_channels(image["deviation"]))
    if image["scale"] != 1:
        pixels = pixels * image["scale"]
    return mx.sym.Group(outputs)(data=pixels)


def of_channels(values: list[float]) -> mx.sym.Symbol:
    """A number for each of red, green and blue."""
    return mx.sym.concat(*(mx.sym.full((1, 1, 1, 1), value) for value in values), dim=1)


class Predictor:
    """An engines.Predictor.

    Args:
        symbol: uint8 pictures to a group of outputs.
        names: of the outputs.
        weights: all its arrays.
        size: side of the pictures, pixels.
        batch_size: pictures of a batch, which the devices share.
    """

    def __init__(
        self,
        symbol: mx.sym.Symbol,
        names: Sequence[str],
        weights: checkpoints.Transfer,
        size: int,
        batch_size: int,
        contexts: list[mx.Context],
    ) -> None:
        shares = np.array_split(np.arange(batch_size), min(len(contexts), batch_size))
        self._devices = [
            _Cpu(symbol, weights, context)
            if context == mx.cpu()
            else _Gpu(symbol, weights, context, (len(share), 3, size, size))
            for share, context in zip(shares, contexts, strict=False)
        ]
        _, shapes, _ = symbol.infer_shape(data=(1, 3, size, size))
        self.columns = {name: columns for name, (_, columns) in zip(names, shapes, strict=True)}

    @explained()
    def means(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See engines.Predictor.

        A CPU works in the batch's own memory: pixels then hold the mirror images. Few arrays should come again and
        again, since it keeps an executor for each.
        """
        shares = np.array_split(pixels, len(self._devices))
        running = [device.start(share) for device, share in zip(self._devices, shares, strict=True)]
        return {
            name: np.concatenate(
                [(seen[number].asnumpy() + mirrored[number].asnumpy()) / 2 for seen, mirrored in running]
            )
            for number, name in enumerate(self.columns)
        }


@explained()
def load_predictor(
    network: dict, image: dict, params: Path, outputs: Sequence[str], *, batch_size: int, gpus: int
) -> Predictor:
    """See engines.Engine."""
    found = checkpoints.load(params)
    classes = checkpoints.class_count(params, found[0], networks.CLASSIFIER)
    layout = checkpoints.Layout(*networks.array_shapes(network, image["size"], classes))
    weights = checkpoints.of_trained(params, found, layout)
    symbol = prediction_symbol(network_symbols(network, image["size"], classes, outputs), image)
    return Predictor(symbol, outputs, weights, image["size"], batch_size, devices.contexts(gpus))


def copied(arrays: Arrays) -> Arrays:
    return [array.copy() for array in arrays]


class _Device:
    """A network's copy on a device."""

    def __init__(self, symbol: mx.sym.Symbol, weights: checkpoints.Transfer, context: mx.Context) -> None:
        self._symbol, self._context = symbol, context
        self._arguments, self._auxiliaries = (
            {name: mx.nd.array(array, context, array.dtype) for name, array in arrays.items()}
            for arrays in (weights.arguments, weights.auxiliaries)
        )

    def _bind(self, pictures: mx.nd.NDArray, shared: mx.executor.Executor | None = None) -> mx.executor.Executor:
        """An executor that reads the pictures where they lie, in the same memory as another."""
        arguments = self._arguments | {"data": pictures}
        return self._symbol.bind(
            self._context, arguments, aux_states=self._auxiliaries, grad_req="null", shared_exec=shared
        )


class _Cpu(_Device):
    """Makes the mirror images where the pictures lie. MXNet's operators for that, and for copying, take longer."""

    def __init__(self, symbol: mx.sym.Symbol, weights: checkpoints.Transfer, context: mx.Context) -> None:
        super().__init__(symbol, weights, context)
        self._executors: dict[int, mx.executor.Executor] = {}  # by the address of what they read

    def start(self, pixels: np.ndarray) -> tuple[Arrays, Arrays]:
        """The outputs of the pictures and of their mirror images, each (count, columns)."""
        executor = self._executor(pixels)
        pictures = copied(executor.forward(is_train=False))
        for array in pictures:
            array.wait_to_read()
        rows = pixels.reshape(-1, pixels.shape[3])
        cv2.flip(rows, 1, dst=rows)
        return pictures, executor.forward(is_train=False)

    def _executor(self, pixels: np.ndarray) -> mx.executor.Executor:
        address = pixels.ctypes.data
        if address not in self._executors:
            other = next(iter(self._executors.values()), None)
            self._executors[address] = self._bind(mx.nd.from_numpy(pixels[:]), other)
        return self._executors[address]


class _Gpu(_Device):
    """Gets bytes, and makes the mirror images itself."""

    def __init__(
        self, symbol: mx.sym.Symbol, weights: checkpoints.Transfer, context: mx.Context, shape: tuple[int, ...]
    ) -> None:
        super().__init__(symbol, weights, context)
        self._pixels = mx.nd.empty(shape, context, np.uint8)
        self._executor = self._bind(self._pixels)

    def start(self, pixels: np.ndarray) -> tuple[Arrays, Arrays]:
        """The outputs of the pictures and of their mirror images, each (count, columns) and under way."""
        self._pixels[:] = pixels
        pictures = copied(self._executor.forward(is_train=False))
        self._pixels[:] = mx.nd.flip(self._pixels, axis=3)
        return pictures, self._executor.forward(is_train=False)
