"""Prediction by MXNet's executors."""

from pathlib import Path

import cv2
import numpy as np

import networks
from engines.mxnet import devices
from engines.mxnet.faults import explained
from engines.mxnet.library import mx
from training import checkpoints


def prediction_symbol(scores: mx.sym.Symbol, image: dict) -> mx.sym.Symbol:
    """Probabilities (batch, classes) of data (batch, 3, height, width) uint8 RGB.

    The scores are of (byte - mean) * scale in float32, which is what ImageRecordIter gives in training.
    """
    pixels = mx.sym.cast(mx.sym.Variable("data"), dtype="float32")
    if any(image["mean"]):
        mean = [mx.sym.full((1, 1, 1, 1), value) for value in image["mean"]]
        pixels = mx.sym.broadcast_sub(pixels, mx.sym.concat(*mean, dim=1))
    if image["scale"] != 1:
        pixels = pixels * image["scale"]
    return mx.sym.softmax(scores(data=pixels), name="softmax")


class Predictor:
    """An engines.Predictor.

    Args:
        symbol: uint8 pictures to probabilities.
        weights: all its arrays.
        size: side of the pictures, pixels.
        batch_size: pictures of a batch, which the devices share.
    """

    def __init__(
        self,
        symbol: mx.sym.Symbol,
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
        _, (probabilities,), _ = symbol.infer_shape(data=(1, 3, size, size))
        self.classes = probabilities[1]

    @explained()
    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """See engines.Predictor.

        A CPU works in the batch's own memory: pixels then hold the mirror images. Few arrays should come again and
        again, since it keeps an executor for each.
        """
        shares = np.array_split(pixels, len(self._devices))
        running = [device.start(share) for device, share in zip(self._devices, shares, strict=True)]
        return np.concatenate([(pictures.asnumpy() + mirrors.asnumpy()) / 2 for pictures, mirrors in running])


@explained()
def load_predictor(network: dict, image: dict, params: Path, *, batch_size: int, gpus: int) -> Predictor:
    """See engines.Engine."""
    weights, classes = checkpoints.of_trained(params, network, image["size"])
    symbol = prediction_symbol(networks.build(mx.sym, network, image["size"], classes), image)
    return Predictor(symbol, weights, image["size"], batch_size, devices.contexts(gpus))


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

    def start(self, pixels: np.ndarray) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """Probabilities of the pictures and of their mirror images, both (count, classes)."""
        executor = self._executor(pixels)
        pictures = executor.forward(is_train=False)[0].copy()
        pictures.wait_to_read()
        rows = pixels.reshape(-1, pixels.shape[3])
        cv2.flip(rows, 1, dst=rows)
        return pictures, executor.forward(is_train=False)[0]

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

    def start(self, pixels: np.ndarray) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """Probabilities of the pictures and of their mirror images, both (count, classes) and under way."""
        self._pixels[:] = pixels
        pictures = self._executor.forward(is_train=False)[0].copy()
        self._pixels[:] = mx.nd.flip(self._pixels, axis=3)
        return pictures, self._executor.forward(is_train=False)[0]
