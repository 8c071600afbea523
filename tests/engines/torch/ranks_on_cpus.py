"""scripts/train_epochs.py where each of the GPUs that a job asks for is a CPU; its arguments.

Of the environment: FAILS, the number of a rank that is killed in its first epoch; BLOCK, batches after which an epoch
may be divided.
"""

import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

import torch

import cli
import train_epochs
from engines.torch import devices, optimizers, trainer

devices.take = lambda count: [devices.CPU] * max(count, 1)
devices.of_rank = lambda number, gpus: devices.CPU
torch.set_num_threads(1)

trainer.BLOCK = int(os.environ.get("BLOCK", trainer.BLOCK))

if os.environ.get("FAILS") == os.environ.get("RANK", "0"):
    step = optimizers.Optimizer.step

    def failing_step(self: optimizers.Optimizer, rate: float) -> None:
        step(self, rate)
        if self._updates == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    optimizers.Optimizer.step = failing_step

if __name__ == "__main__":
    cli.run(train_epochs.main)
