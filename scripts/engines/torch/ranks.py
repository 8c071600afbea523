"""Ranks: processes that train one model together, each on a device of its own (torch.distributed).

The first rank is the job's own process. It alone writes what comes out, and tells the others what to do.
It starts them by its own command, or torchrun has started all:

    torchrun --nproc-per-node 2 scripts/train_epochs.py --recipe ... --gpus 2
"""

import atexit
import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import cli
from engines.torch import devices

STARTED = "SHELFMARK_STARTED_BY_FIRST_RANK"  # in the environment of the other ranks, unless torchrun has started them
FOREVER = datetime.timedelta(days=365)  # how long a rank waits for the next order: the first one may write or copy
GLOO = "/gloo/"  # in the message of its errors, which have no class of their own
GRACE = 10.0  # seconds in which a rank ends by itself once another one has


class Ranks:
    """The ranks of a job, as one of them sees them; there is one where no store is given.

    Attributes:
        device: this rank's.
        number: this rank's, from 0.
        count: of all.
    """

    def __init__(self, device: torch.device, store: dist.Store | None = None, number: int = 0, count: int = 1) -> None:
        self.device, self.number, self.count = device, number, count
        self._store, self._orders = store, 0
        self._followers: Followers | None = None
        self._is_together = True

    @classmethod
    def join(cls, gpus: int) -> "Ranks":
        """This process among the ranks of its job, which has so many GPUs; 0: the CPU. The first one starts the others.

        Raises:
            cli.UserError: the GPUs are not to be had, another rank has ended, or torchrun has started too few or many.
        """
        if dist.is_torchelastic_launched():
            if gpus not in (0, int(os.environ["WORLD_SIZE"])):
                raise cli.UserError(f"{gpus} GPUs are asked for, torchrun started {os.environ['WORLD_SIZE']} ranks")
            [device] = devices.take(min(gpus, 1))
            return cls(device, *next(dist.rendezvous("env://")))._met()
        if STARTED in os.environ:
            end_with_first()
            device = devices.of_rank(int(os.environ["LOCAL_RANK"]), gpus)
            return cls(device, *next(dist.rendezvous("env://")))._met()
        taken = devices.take(gpus)
        if len(taken) == 1:
            return cls(taken[0])
        store = dist.TCPStore("127.0.0.1", 0, len(taken), is_master=True, wait_for_workers=False)
        ranks = cls(taken[0], store, 0, len(taken))
        ranks._followers = Followers(len(taken), store.port)
        return ranks._met()

    def _met(self) -> "Ranks":
        """All ranks, once each is there."""
        if self.count > 1:
            on_gpu = self.device != devices.CPU
            with self._faults_told():
                dist.init_process_group(
                    "nccl" if on_gpu else "gloo",
                    store=dist.PrefixStore("group", self._store),
                    rank=self.number,
                    world_size=self.count,
                    device_id=self.device if on_gpu else None,
                )
            if self.is_first:
                atexit.register(self._end)
        return self

    @property
    def is_first(self) -> bool:
        return self.number == 0

    def own_seed(self, seed: int) -> int:
        """A seed of this rank's own, from one of all ranks, which is below 2^32."""
        return seed + (self.number << 32)

    def sum_(self, numbers: Tensor) -> Tensor:
        """Put the sum over all ranks in place of a tensor, which is this rank's."""
        if self.count > 1:
            dist.all_reduce(numbers)
        return numbers

    def mean_(self, tensors: list[Tensor]) -> None:
        """Put the mean over all ranks in place of each tensor."""
        if self.count > 1 and tensors:
            flat = self.sum_(torch.cat([tensor.flatten() for tensor in tensors])) / self.count
            for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def wrapped(self, network: nn.Module) -> nn.Module:
        """A network with the first rank's numbers, whose gradients become the mean over all ranks."""
        if self.count == 1:
            return network
        # Told to look for parameters without a gradient, it keeps its buckets, and adds up in one order. Else it makes
        # others after a job's first batch, and two epochs in two jobs need not equal two in one.
        with self._faults_told():
            return DistributedDataParallel(network, forward_sync_buffers=False, find_unused_parameters=True)

    @contextlib.contextmanager
    def together(self, *order: object) -> Iterator[None]:
        """Tell the other ranks to do what this one does in the block.

        Args:
            order: what JSON can hold.

        Raises:
            cli.UserError: another rank has ended; its own line, where it had one.
        """
        self.tell(*order)
        self._is_together = False
        with self._faults_told():
            yield
        self._is_together = True

    def orders(self) -> Iterator[list]:
        """What the first rank tells the others to do, until it ends."""
        while True:
            key = f"order-{self._orders}"
            self._orders += 1
            self._store.wait([key], FOREVER)
            order = json.loads(self._store.get(key))
            if not order:
                dist.destroy_process_group()
                return
            yield order

    def tell(self, *order: object) -> None:
        """Give the other ranks an order, which JSON can hold; without words: to end."""
        self._store.set(f"order-{self._orders}", json.dumps(order))
        self._orders += 1

    @contextlib.contextmanager
    def _faults_told(self) -> Iterator[None]:
        """End with the fault of another rank where this one fails for want of it."""
        try:
            yield
        except (RuntimeError, cli.PassingError) as error:
            if self._followers and (fault := self._followers.fault()):
                raise fault from error
            if isinstance(error, dist.DistError) or GLOO in str(error):
                raise cli.PassingError(f"rank {self.number} of {self.count}: another rank has ended") from error
            raise

    def _end(self) -> None:
        """Let the other ranks end, and see to it that they do."""
        if self._is_together:
            self.tell()
            dist.destroy_process_group()
        if self._followers:
            self._followers.end(GRACE if self._is_together else 0)


class Followers:
    """The processes of the other ranks, which end when this one does, whatever ends it.

    Args:
        count: of all ranks.
        port: of the store through which they meet.
    """

    def __init__(self, count: int, port: int) -> None:
        self._fault: cli.UserError | None = None
        self._has_fault, self._is_over = threading.Event(), False
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count), STARTED: "1"}
        self._processes = [
            subprocess.Popen(
                [sys.executable, *sys.argv],
                env=os.environ | meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdin=subprocess.PIPE,  # its end is how they learn of that of this process
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(1, count)
        ]
        for rank, process in enumerate(self._processes, 1):
            threading.Thread(target=self._watch, args=(f"rank {rank} of {count}", process), daemon=True).start()

    def fault(self) -> cli.UserError | None:
        """Why a rank has ended; None where all go on."""
        self._has_fault.wait(GRACE)
        self._is_over = True  # and this process ends by what it now knows
        return self._fault

    def end(self, grace: float) -> None:
        """End all of them, by force after some seconds."""
        self._is_over = True
        end = time.monotonic() + grace
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(end - time.monotonic(), 0))
            process.kill()
            process.wait()

    def _watch(self, name: str, process: subprocess.Popen) -> None:
        said = process.stderr.read()
        code = process.wait()
        if self._is_over:
            return
        self._fault = self._fault or cli.fault_of(name, code, said)
        self._has_fault.set()
        time.sleep(GRACE)
        # This process waits for that one on its GPU, which no exception ends.
        passes = cli.may_pass(self._fault)
        if not self._is_over:
            cli.fail(str(self._fault), passes)
        os._exit(cli.MAY_PASS if passes else cli.STAYS)


def end_with_first() -> None:
    """Let this process end when the first rank does, and by nothing else that ends a job."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)

    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)  # nothing is written: it returns once the other end is closed
        os._exit(cli.MAY_PASS)

    threading.Thread(target=wait, daemon=True).start()
