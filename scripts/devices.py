"""The devices that a program computes on: every GPU that it was granted, or the CPU."""

import ctypes
import socket

import cli
from mxnet_for_numpy2 import mx

# mxnet-cu112's kernels: compiled for these compute capabilities without PTX, so nothing newer can run them.
# 8.9 (Ada) runs those of 8.6.
SUPPORTED_MAJORS = range(5, 9)
SUPPORTED = "Maxwell to Ampere and Ada (compute capability 5.0 to 8.9)"
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # CUdevice_attribute of CUDA's driver API
NO_DEVICE = 100  # CUresult: the driver is there, a GPU is not


def contexts() -> list[mx.Context]:
    """All GPUs that CUDA_VISIBLE_DEVICES grants; the CPU where there is none, or MXNet is the one for CPUs.

    Raises:
        cli.UserError: MXNet has no kernels for a GPU, or the driver does not start.
    """
    if not mx.runtime.Features().is_enabled("CUDA"):
        return [mx.cpu()]
    for number, (name, major, minor) in enumerate(visible_gpus()):
        check_capability(number, name, major, minor)
    count = mx.context.num_gpus()
    return [mx.gpu(number) for number in range(count)] or [mx.cpu()]


def check_capability(number: int, name: str, major: int, minor: int) -> None:
    """Refuse a GPU that MXNet's kernels do not run on, before CUDA does so less clearly."""
    if major not in SUPPORTED_MAJORS:
        raise cli.UserError(
            f"GPU {number}: {name} (compute capability {major}.{minor}) is not supported by MXNet 1.9.1, whose"
            f" kernels run on {SUPPORTED}; choose other nodes (gpu_model in profiles/slurm/config.yaml)"
        )


def visible_gpus() -> list[tuple[str, int, int]]:
    """Name and compute capability (major, minor) of each visible GPU, from the driver; none without a driver.

    Raises:
        cli.UserError: the driver does not start; the CPU in its place would take weeks.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    error = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if error not in (0, NO_DEVICE):
        raise cli.UserError(
            f"NVIDIA's driver on {socket.gethostname()} does not start (CUDA error {error}); choose another node"
        )
    return [_describe(driver, number) for number in range(count.value)]


def _describe(driver: ctypes.CDLL, number: int) -> tuple[str, int, int]:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    major, minor = ctypes.c_int(), ctypes.c_int()
    driver.cuDeviceGet(ctypes.byref(device), number)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceGetAttribute(ctypes.byref(major), CAPABILITY_MAJOR, device)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), CAPABILITY_MINOR, device)
    return name.value.decode(), major.value, minor.value
