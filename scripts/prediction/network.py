"""A trained network as a function from pictures to probabilities."""

from pathlib import Path

import cv2
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

    Raises:
        cli.UserError: a file is damaged, or the two do not belong together.
    """

    def __init__(
        self, symbol_path: Path, params_path: Path, image: dict, batch_size: int, places: list[mx.Context]
    ) -> None:
        symbol = _load_symbol(symbol_path)
        per_device = -(-batch_size // len(places))
        shape = (per_device, 3, image["size"], image["size"])
        self.batch_shape = (per_device * len(places), *shape[1:])
        try:
            fitting = checkpoints.fitting(params_path, symbol, image["size"])
            if fitting.matched < fitting.needed:
                raise cli.UserError(
                    f"{params_path}: {fitting.matched} of the {fitting.needed} arrays of {symbol_path} match;"
                    " train the model again"
                )
            self._devices = [_Device(symbol, fitting, image, shape, place) for place in places]
        except mx.MXNetError as error:
            raise cli.UserError(f"{symbol_path}: cannot be run: {_reason(error)}") from error
        self.classes = self._devices[0].classes

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Mean probabilities (count, classes) float32 of a whole batch (batch_shape) uint8 RGB.

        Raises:
            cli.UserError: a device failed.
        """
        shares = np.split(pixels, len(self._devices))
        try:
            running = [device.start(share) for device, share in zip(self._devices, shares, strict=True)]
            return np.concatenate([probabilities.asnumpy() for probabilities in running])
        except mx.MXNetError as error:
            raise cli.UserError(f"a device failed: {_reason(error)}; nothing was written") from error


class _Device:
    """A network's copy on a device. Its arrays are used again for every batch: fresh memory costs time on a CPU."""

    def __init__(
        self, symbol: mx.sym.Symbol, fitting: checkpoints.Transfer, image: dict, shape: tuple, place: mx.Context
    ) -> None:
        self._executor = symbol.simple_bind(place, grad_req="null", data=shape)
        self._executor.copy_params_from(fitting.arguments, fitting.auxiliaries)
        self._place = place
        self._mirrored = np.empty(shape, np.uint8)  # on a CPU only
        self._mean = mx.nd.array(image["mean"], place).reshape((1, 3, 1, 1)) if any(image["mean"]) else None
        self._scale = image["scale"]
        self.classes = self._executor.outputs[0].shape[1]

    def start(self, pixels: np.ndarray) -> mx.nd.NDArray:
        """Queue the work on a share of the batch."""
        # Bytes go to the device, without a copy where that is the CPU; the mirror image is made there.
        pictures = mx.nd.from_numpy(pixels[:]).as_in_context(self._place)
        return (self._forward(pictures) + self._forward(self._mirror(pixels, pictures))) / 2

    def _mirror(self, pixels: np.ndarray, pictures: mx.nd.NDArray) -> mx.nd.NDArray:
        if self._place.device_type != "cpu":
            return mx.nd.flip(pictures, axis=3)
        # MXNet's operator takes as long as decoding there.
        size = pixels.shape[3]
        cv2.flip(pixels.reshape(-1, size), 1, dst=self._mirrored.reshape(-1, size))
        return mx.nd.from_numpy(self._mirrored[:])

    def _forward(self, pictures: mx.nd.NDArray) -> mx.nd.NDArray:
        data = self._executor.arg_dict["data"]
        mx.nd.cast(pictures, dtype=np.float32, out=data)
        if self._mean is not None:
            mx.nd.broadcast_sub(data, self._mean, out=data)
        if self._scale != 1:
            data *= self._scale
        return self._executor.forward(is_train=False)[0].copy()


def _load_symbol(path: Path) -> mx.sym.Symbol:
    try:
        return mx.sym.load(str(path))
    # MXNet's message quotes memory behind the file, which may be no text.
    except (mx.MXNetError, UnicodeDecodeError) as error:
        raise cli.UserError(f"{path}: not a network of MXNet; delete it and build it again") from error


def _reason(error: mx.MXNetError) -> str:
    return str(error).strip().splitlines()[-1].strip()
