"""The devices that a program computes on, and how: GPUs in bfloat16 beside float32 weights, the CPU in float32."""

import contextlib
import os
import re
import socket

import torch
from torch import Tensor

import cli
import gpus

CPU = torch.device("cpu")
LAYOUT = torch.channels_last  # of pictures and weights in memory: a fifth to a third faster on a CPU, too


def take(count: int) -> list[torch.device]:
    """So many free GPUs, this process's alone until it ends; the CPU for none.

    Raises:
        cli.UserError: PyTorch is the one for CPUs or has no kernels for a GPU, too few GPUs are visible, or the driver
            does not start.
    """
    if not count:
        gpus.take([], 0)
        return [CPU]
    if torch.version.cuda is None:
        raise cli.UserError(
            f"{count} GPUs are asked for, but PyTorch {torch.__version__} is the one for CPUs: see docs/engines.md"
            " (gpus: 0 computes on the CPU)"
        )
    gpus.take(gpus.visible(), count)
    if not torch.cuda.is_available():
        raise cli.UserError(
            f"NVIDIA's driver on {socket.gethostname()} is too old for PyTorch {torch.__version__} (CUDA"
            f" {torch.version.cuda}): update it, choose another node, or another engine (engine: mxnet)"
        )
    for number in range(count):
        check_kernels(number, torch.cuda.get_device_properties(number), torch.cuda.get_arch_list())
    return [gpu(number) for number in range(count)]


def of_rank(number: int, gpus: int) -> torch.device:
    """The device of a process that shares a job's GPUs, which the first one has taken."""
    return gpu(number) if gpus else CPU


def gpu(number: int) -> torch.device:
    torch.backends.cudnn.benchmark = True
    return torch.device("cuda", number)


def be_deterministic() -> None:
    """Compute the same bits of the same numbers every time, on GPUs too, before the first one computes.

    An operator that has no such way on a GPU raises RuntimeError.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS asks for
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False  # it chooses by the time that algorithms take


def name(device: torch.device, number: int) -> str:
    """How a report names the device of a rank, from that of any rank."""
    return device.type if device == CPU else f"{device.type}:{number}"


def check_kernels(number: int, gpu: object, architectures: list[str]) -> None:
    """Refuse a GPU that PyTorch's kernels do not run on, before CUDA does so less clearly.

    Args:
        gpu: has name, major and minor (compute capability).
        architectures: that PyTorch was compiled for, as sm_90 (that and newer ones of its major number) or
            compute_90 (that and all newer ones).
    """
    for architecture in architectures:
        kind, major, minor = re.match(r"(sm|compute)_(\d+)(\d)", architecture).groups()
        compiled, own = (int(major), int(minor)), (gpu.major, gpu.minor)
        if compiled <= own and (kind == "compute" or compiled[0] == own[0]):
            return
    raise cli.UserError(
        f"GPU {number}: {gpu.name} (compute capability {gpu.major}.{gpu.minor}) is not supported by PyTorch"
        f" {torch.__version__}, whose kernels run on {', '.join(architectures)}; leave it out by CUDA_VISIBLE_DEVICES,"
        " choose other nodes (gpu_model in profiles/slurm/config.yaml), or another engine (engine: mxnet)"
    )


def precision(device: torch.device) -> contextlib.AbstractContextManager:
    """What a network computes in: bfloat16 on GPUs, where no loss has to be scaled for it."""
    return contextlib.nullcontext() if device == CPU else torch.autocast("cuda", torch.bfloat16)


def on_device(network: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    return network.to(device, memory_format=LAYOUT)


def inputs(pixels: Tensor, image: dict, device: torch.device) -> Tensor:
    """What a network sees of pictures (batch, 3, size, size) uint8 RGB, float32: (byte - mean) / deviation * scale."""

    def of_channels(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).reshape(3, 1, 1).to(device, non_blocking=True)

    normalized = pixels.to(device, non_blocking=True).float() - of_channels(image["mean"])
    if "deviation" in image:
        normalized /= of_channels(image["deviation"])
    normalized *= image["scale"]
    return normalized.contiguous(memory_format=LAYOUT)
