"""MXNet for GPUs and its CUDA 11, which `make gpu` adds to an environment: requirements-gpu.txt in a folder of its own.

The environment's own MXNet is the one for CPUs. So one environment serves nodes with and without GPUs.
"""

import ctypes
import sys
from pathlib import Path

FOLDER = Path(sys.prefix, "gpu")
# What libmxnet.so needs, in the packages nvidia-*-cu11. What these need in turn they find by themselves.
LIBRARIES = (
    "cuda_runtime/lib/libcudart.so.11.0",
    "cublas/lib/libcublas.so.11",
    "cufft/lib/libcufft.so.10",
    "cusolver/lib/libcusolver.so.11",
    "curand/lib/libcurand.so.10",
    "cuda_nvrtc/lib/libnvrtc.so.11.2",
    "nvtx/lib/libnvToolsExt.so.1",
    "cudnn/lib/libcudnn.so.8",
    "nccl/lib/libnccl.so.2",
)


def use() -> None:
    """Let `import mxnet` find the one for GPUs, where it is installed and NVIDIA's driver is there."""
    if not FOLDER.exists():
        return
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return
    sys.path.insert(0, str(FOLDER))
    # The loader takes a library that is loaded already wherever its name is asked for: no path has to be set.
    for library in LIBRARIES:
        ctypes.CDLL(str(FOLDER / "nvidia" / library))
