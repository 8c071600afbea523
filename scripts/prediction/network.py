"""A trained network as a function from pictures to probabilities."""

from pathlib import Path

import mxnet as mx
import numpy as np

import cli
from training import checkpoints


class Network:
    """Mean probabilities over a picture and its mirror, on one device or several.

    Args:
        symbol_path: symbol.json, data to probabilities.
        params_path: .params with all its arrays.
        image: size (pixels), mean (red, green, blue) and scale of the pictures.
        batch_size: pictures per forward pass, rounded up to a multiple of the devices.
    """

    def __init__(
        self, symbol_path: Path, params_path: Path, image: dict, batch_size: int, places: list[mx.Context]
    ) -> None:
        symbol = mx.sym.load(str(symbol_path))
        self.batch_size = -(-batch_size // len(places)) * len(places)
        self._place = places[0]
        self._mean = mx.nd.array(image["mean"], ctx=self._place).reshape((1, 3, 1, 1))
        self._is_raw = not any(image["mean"]) and image["scale"] == 1
        self._scale = image["scale"]
        shape = (self.batch_size, 3, image["size"], image["size"])
        fitting = checkpoints.fitting(params_path, symbol, image["size"])
        if fitting.matched < fitting.needed:
            raise cli.UserError(
                f"{params_path}: {fitting.matched} of the {fitting.needed} arrays of {symbol_path} match;"
                " train the model again"
            )
        self._module = mx.mod.Module(symbol, label_names=None, context=places)
        self._module.bind(data_shapes=[("data", shape)], for_training=False)
        self._module.set_params(fitting.arguments, fitting.auxiliaries)
        self.classes = self._module.output_shapes[0][1][1]

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Mean probabilities (count, classes) float32 of pictures (count, size, size, 3) uint8 RGB.

        The last batch is filled up, so that every picture goes through the same computation.
        """
        count = len(pixels)
        if count < self.batch_size:
            padding = np.zeros((self.batch_size - count, *pixels.shape[1:]), np.uint8)
            pixels = np.concatenate([pixels, padding])
        # As bytes to the device; cast, channel order and mirror are made there.
        pictures = mx.nd.array(pixels, ctx=self._place, dtype=np.uint8).transpose((0, 3, 1, 2)).astype(np.float32)
        if not self._is_raw:
            pictures = (pictures - self._mean) * self._scale
        total = self._forward(pictures) + self._forward(mx.nd.flip(pictures, axis=3))
        return (total / 2)[:count]

    def _forward(self, pictures: mx.nd.NDArray) -> np.ndarray:
        self._module.forward(mx.io.DataBatch([pictures]), is_train=False)
        return self._module.get_outputs()[0].asnumpy()
