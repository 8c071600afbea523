"""List the GPUs that a process may use, one a line: its UUID, its compute capability (major, minor), its name.

NVIDIA's driver answers, and heeds CUDA_VISIBLE_DEVICES; where there is no driver there is no line. A process that has
asked the driver can no longer choose among its GPUs. So programs run this one, and choose then.

Example:
    python scripts/gpus.py
"""

import ctypes
import errno
import os
import random
import socket
import subprocess
import sys
import time
from typing import NamedTuple

import cli

CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # CUdevice_attribute of CUDA's driver API
NO_DEVICE = 100  # CUresult: the driver is there, a GPU is not
CUDA = 11080  # 11.8, as in requirements-gpu.txt: what it compiles while it runs needs a driver of the same age


class Gpu(NamedTuple):
    uuid: str
    major: int
    minor: int
    name: str


def visible() -> list[Gpu]:
    """The GPUs that this process may use, in CUDA's order.

    Raises:
        cli.UserError: the driver does not start or is too old.
    """
    run = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=False)
    if run.returncode:
        raise cli.fault_of("the list of GPUs", run.returncode, run.stderr)
    lines = [line.split(maxsplit=3) for line in run.stdout.splitlines()]
    return [Gpu(uuid, int(major), int(minor), name) for uuid, major, minor, name in lines]


def take(gpus: list[Gpu], wanted: int) -> None:
    """Take free ones of the visible GPUs, for this process alone until it ends, and hide the others from it.

    Waits while other processes that took theirs here leave too few.

    Raises:
        cli.UserError: fewer are visible than wanted.
    """
    if wanted > len(gpus):
        raise cli.UserError(
            f"{wanted} GPUs are asked for, {len(gpus)} are visible on {socket.gethostname()}; lower gpus in the"
            " configuration (0: the CPU)"
        )
    if len(taken := take_free(gpus, wanted)) < wanted:
        print(f"waiting until {wanted} of {len(gpus)} GPUs are free: other jobs compute on them", file=sys.stderr)
    while len(taken) < wanted:
        time.sleep(random.uniform(0.5, 1.5))  # or two processes could keep each other from taking all
        taken = take_free(gpus, wanted)
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number) for number in range(len(gpus))] if given is None else given.split(",")
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names[number] for number in taken)


def take_free(gpus: list[Gpu], wanted: int) -> list[int]:
    """Take as many free GPUs as are wanted, or none; returns their numbers."""
    taken = {}
    for number, gpu in enumerate(gpus):
        if len(taken) < wanted and (lock := locked(gpu)):
            taken[number] = lock
    if len(taken) < wanted:
        for lock in taken.values():
            lock.close()
        return []
    for lock in taken.values():
        lock.detach()  # stays open until the process ends, however it does
    return list(taken)


def locked(gpu: Gpu) -> socket.socket | None:
    """The lock of a GPU, or None where another process has it.

    It is the name of an abstract socket: known on the whole machine, to all its users, and gone with its process.
    """
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind(f"\0shelfmark-gpu-{gpu.uuid}")
    except OSError as error:
        lock.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return lock


def ask_driver() -> list[Gpu]:
    """What `visible` returns, from the driver in this process.

    Raises:
        cli.PassingError: the driver does not start; the CPU in its place would take weeks.
        cli.UserError: it is too old.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count, version = ctypes.c_int(), ctypes.c_int()
    error = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if error not in (0, NO_DEVICE):
        raise cli.PassingError(
            f"NVIDIA's driver on {socket.gethostname()} does not start (CUDA error {error}); choose another node"
        )
    driver.cuDriverGetVersion(ctypes.byref(version))
    if version.value < CUDA:
        raise cli.UserError(
            f"NVIDIA's driver on {socket.gethostname()} is too old for CUDA 11.8: update it to 520 or newer, or choose"
            " another node"
        )
    return [_describe(driver, number) for number in range(count.value)]


def _describe(driver: ctypes.CDLL, number: int) -> Gpu:
    device, name, uuid = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.create_string_buffer(16)
    major, minor = ctypes.c_int(), ctypes.c_int()
    driver.cuDeviceGet(ctypes.byref(device), number)
    driver.cuDeviceGetName(name, len(name), device)
    # The second version tells apart the parts of a divided GPU; drivers before 470 have the first alone.
    getattr(driver, "cuDeviceGetUuid_v2", driver.cuDeviceGetUuid)(uuid, device)
    driver.cuDeviceGetAttribute(ctypes.byref(major), CAPABILITY_MAJOR, device)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), CAPABILITY_MINOR, device)
    return Gpu(uuid.raw.hex(), major.value, minor.value, name.value.decode())


def main() -> None:
    for gpu in ask_driver():
        print(*gpu)


if __name__ == "__main__":
    cli.run(main)
