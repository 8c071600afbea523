"""The devices that a program computes on: as many GPUs as its job asks for, or the CPU."""

import socket

import cli
import gpus
from engines.mxnet import gpu_packages
from engines.mxnet.library import mx

# mxnet-cu112's kernels: compiled for these compute capabilities without PTX, so nothing newer can run them.
# 8.9 (Ada) runs those of 8.6.
SUPPORTED_MAJORS = range(5, 9)
SUPPORTED = "Maxwell to Ampere and Ada (compute capability 5.0 to 8.9)"


def contexts(count: int) -> list[mx.Context]:
    """So many free GPUs, this process's alone until it ends; the CPU for none.

    Raises:
        cli.UserError: MXNet is the one for CPUs or has no kernels for a GPU, too few GPUs are visible, or the driver
            does not start.
    """
    if count and not mx.runtime.Features().is_enabled("CUDA"):
        raise cli.UserError(f"{count} GPUs are asked for, but {reason_for_cpus()} (gpus: 0 computes on the CPU)")
    visible = gpus.visible() if count else []
    for number, gpu in enumerate(visible):
        check_capability(number, gpu)
    gpus.take(visible, count)
    return [mx.gpu(number) for number in range(count)] or [mx.cpu()]


def reason_for_cpus() -> str:
    """Why the MXNet that was imported is the one for CPUs, and the way out."""
    if gpu_packages.FOLDER.exists():
        return f"{socket.gethostname()} has no NVIDIA driver (libcuda.so.1): choose another node"
    return "MXNet for GPUs is not installed: make gpu"


def check_capability(number: int, gpu: gpus.Gpu) -> None:
    """Refuse a GPU that MXNet's kernels do not run on, before CUDA does so less clearly."""
    if gpu.major not in SUPPORTED_MAJORS:
        raise cli.UserError(
            f"GPU {number}: {gpu.name} (compute capability {gpu.major}.{gpu.minor}) is not supported by MXNet 1.9.1,"
            f" whose kernels run on {SUPPORTED}; leave it out by CUDA_VISIBLE_DEVICES, or choose other nodes"
            " (gpu_model in profiles/slurm/config.yaml), or another engine (engine: torch)"
        )
