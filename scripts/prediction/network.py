"""A trained network as a function from pictures to probabilities."""

from pathlib import Path

import cv2
import numpy as np

import cli
from mxnet_for_numpy2 import mx
from training import checkpoints


class Network:
    """Mean probabilities over a picture and its mirror, on one device or several.

    Args:
        symbol_path: symbol.json, uint8 pictures to probabilities.
        params_path: .params with all its arrays.
        size: side of the pictures, pixels.
        batch_size: pictures of a batch, which the devices share.

    Raises:
        cli.UserError: a file is damaged, or the two do not belong together.
    """

    def __init__(
        self, symbol_path: Path, params_path: Path, size: int, batch_size: int, places: list[mx.Context]
    ) -> None:
        symbol = _load_symbol(symbol_path)
        shares = np.array_split(np.arange(batch_size), min(len(places), batch_size))
        try:
            fitting = checkpoints.fitting(params_path, symbol, size)
            if fitting.matched < fitting.needed:
                raise cli.UserError(
                    f"{params_path}: {fitting.matched} of the {fitting.needed} arrays of {symbol_path} match;"
                    " train the model again"
                )
            self._devices = [
                _Cpu(symbol, fitting, place)
                if place == mx.cpu()
                else _Gpu(symbol, fitting, place, (len(share), 3, size, size))
                for share, place in zip(shares, places, strict=False)
            ]
            _, (probabilities,), _ = symbol.infer_shape(data=(1, 3, size, size))
        except mx.MXNetError as error:
            raise cli.UserError(f"{symbol_path}: cannot be run: {_reason(error)}") from error
        self.classes = probabilities[1]

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Mean probabilities (batch_size, classes) float32 of a whole batch (batch_size, 3, size, size) uint8 RGB.

        A CPU works in the batch's own memory: pixels then hold the mirror images. Few arrays should come again and
        again, since it keeps an executor for each.

        Raises:
            cli.UserError: a device failed.
        """
        shares = np.array_split(pixels, len(self._devices))
        try:
            running = [device.start(share) for device, share in zip(self._devices, shares, strict=True)]
            return np.concatenate([(pictures.asnumpy() + mirrors.asnumpy()) / 2 for pictures, mirrors in running])
        except mx.MXNetError as error:
            raise cli.UserError(f"a device failed: {_reason(error)}; nothing was written") from error


class _Device:
    """A network's copy on a device."""

    def __init__(self, symbol: mx.sym.Symbol, fitting: checkpoints.Transfer, place: mx.Context) -> None:
        self._symbol, self._place = symbol, place
        self._arguments, self._auxiliaries = (
            {name: array.as_in_context(place) for name, array in arrays.items()}
            for arrays in (fitting.arguments, fitting.auxiliaries)
        )

    def _bind(self, pictures: mx.nd.NDArray, shared: mx.executor.Executor | None = None) -> mx.executor.Executor:
        """An executor that reads the pictures where they lie, in the same memory as another."""
        arguments = self._arguments | {"data": pictures}
        return self._symbol.bind(
            self._place, arguments, aux_states=self._auxiliaries, grad_req="null", shared_exec=shared
        )


class _Cpu(_Device):
    """Makes the mirror images where the pictures lie. MXNet's operators for that, and for copying, take longer."""

    def __init__(self, symbol: mx.sym.Symbol, fitting: checkpoints.Transfer, place: mx.Context) -> None:
        super().__init__(symbol, fitting, place)
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
        self, symbol: mx.sym.Symbol, fitting: checkpoints.Transfer, place: mx.Context, shape: tuple[int, ...]
    ) -> None:
        super().__init__(symbol, fitting, place)
        self._pixels = mx.nd.empty(shape, place, np.uint8)
        self._executor = self._bind(self._pixels)

    def start(self, pixels: np.ndarray) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """Probabilities of the pictures and of their mirror images, both (count, classes) and under way."""
        self._pixels[:] = pixels
        pictures = self._executor.forward(is_train=False)[0].copy()
        self._pixels[:] = mx.nd.flip(self._pixels, axis=3)
        return pictures, self._executor.forward(is_train=False)[0]


def _load_symbol(path: Path) -> mx.sym.Symbol:
    try:
        return mx.sym.load(str(path))
    # MXNet's message quotes memory behind the file, which may be no text.
    except (mx.MXNetError, UnicodeDecodeError) as error:
        raise cli.UserError(f"{path}: not a network of MXNet; delete it and build it again") from error


def _reason(error: mx.MXNetError) -> str:
    return str(error).strip().splitlines()[-1].strip()
