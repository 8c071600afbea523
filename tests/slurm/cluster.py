"""A SLURM of two nodes on this machine: munge, slurmctld and two slurmd with declared GPUs, on loopback."""

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

CONFIGURATION = Path("/etc/slurm")  # jobs lose SLURM_CONF, so it has to be the default place
MARK = "# written by tests/slurm\n"
MUNGE_KEY = Path("/etc/munge/munge.key")
NODES = {"node1": 16821, "node2": 16822}
GPUS_PER_NODE = 8
NVIDIA_MAJOR = 195
RULE = re.compile(r"rule_(?:M\d\d-\d+_)?(\w+?)(?:_wildcards_.*)?$")  # in the comment of a job


def why_not() -> str | None:
    """Why no SLURM can be started here, or None."""
    programs = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        return f"SLURM is not installed ({', '.join(missing)} missing): apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "starting SLURM's daemons needs root"
    configuration = CONFIGURATION / "slurm.conf"
    if configuration.exists() and not configuration.read_text().startswith(MARK):
        return f"{configuration}: this machine has a SLURM of its own"
    return None


def wait_for(condition, seconds: float, what: str):
    """Poll until a condition holds; returns its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.3)
    return value


def minutes(limit: str) -> int:
    """Minutes of SLURM's [days-]hours:minutes:seconds."""
    days, _, clock = limit.rpartition("-")
    hours, whole_minutes, _ = clock.split(":")
    return int(days or 0) * 1440 + int(hours) * 60 + int(whole_minutes)


def mebibytes(memory: str) -> int:
    """MiB of SLURM's memory, such as 1500M or 4G."""
    return int(float(memory[:-1]) * {"M": 1, "G": 1024}[memory[-1]])


def gpus(record: dict[str, str]) -> int:
    """GPUs that a job asked for."""
    return int(record.get("TresPerJob", "0").rpartition(":")[2])


def job_table(records: list[dict[str, str]]) -> list[str]:
    """Per rule how many jobs there were and what they asked for, as a Markdown table."""
    lines = ["| rule | jobs | CPUs | MiB | minutes | GPUs |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for rule in dict.fromkeys(record["Rule"] for record in records):
        jobs = [record for record in records if record["Rule"] == rule]
        columns = [
            [int(job["CPUs/Task"]) for job in jobs],
            [mebibytes(job["MinMemoryNode"]) for job in jobs],
            [minutes(job["TimeLimit"]) for job in jobs],
            [gpus(job) for job in jobs],
        ]
        ranges = [" to ".join(map(str, sorted({min(column), max(column)}))) for column in columns]
        lines.append(f"| {' | '.join([f'`{rule}`', str(len(jobs)), *ranges])} |")
    return lines


class Cluster:
    """The daemons, from `with Cluster(folder) as cluster` to the end of the block."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen] = {}

    def __enter__(self):
        try:
            self._configure()
            if subprocess.run("munge -n | unmunge", shell=True, capture_output=True, check=False).returncode:
                self._start("munged", "runuser", "-u", "munge", "--", "munged", "--foreground")
                wait_for(Path("/run/munge/munge.socket.2").exists, 10, "munge's socket")
            self._start("slurmctld", "slurmctld", "-D", "-c")
            for node in NODES:
                self.start_node(node)
            wait_for(lambda: self.states() == {"idle"}, 60, "two idle nodes")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if jobs := self.jobs():
            subprocess.run(["scancel", *jobs], check=False)
            wait_for(lambda: not self.jobs(), 30, "an empty queue")
        for daemon in self.daemons.values():
            daemon.terminate()
        for daemon in self.daemons.values():
            daemon.wait(30)
        for name in ("slurm.conf", "gres.conf"):
            (CONFIGURATION / name).unlink(missing_ok=True)

    def states(self) -> set[str]:
        output = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--format=%t"], capture_output=True, text=True, check=False
        ).stdout
        return set(output.split())

    def jobs(self) -> list[str]:
        """Numbers of the jobs in the queue."""
        command = ["squeue", "--noheader", "--format=%i"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()

    def records(self, folder: Path) -> list[dict[str, str]]:
        """The records of the jobs submitted from a folder, as `scontrol show job` has them, and their rules."""
        output = subprocess.run(
            ["scontrol", "show", "job", "--oneliner"], capture_output=True, text=True, check=True
        ).stdout
        records = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in output.splitlines()]
        records = [record for record in records if record.get("WorkDir") == str(folder)]
        return [{**record, "Rule": RULE.match(record["Comment"]).group(1)} for record in records]

    @contextlib.contextmanager
    def closed(self, partition: str):
        """Let no job of a partition start, within the block."""
        command = ["scontrol", "update", f"PartitionName={partition}"]
        subprocess.run([*command, "State=DOWN"], check=True)
        try:
            yield
        finally:
            subprocess.run([*command, "State=UP"], check=True)

    def start_node(self, node: str) -> None:
        self._start(node, "slurmd", "-D", "-N", node)

    def crash_node(self, node: str) -> None:
        """End everything on a node at once, as a power cut does: nothing on it can report to the controller."""
        self.daemons[node].send_signal(signal.SIGKILL)
        self.daemons[node].wait()
        processes = [process for process in Path("/proc").iterdir() if process.name.isdigit()]
        running = [process for process in processes if _runs_on(process, node)]
        for process in [*{parent for process in running if (parent := _step_daemon(process))}, *running]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("a") as log:
            self.daemons[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def _configure(self) -> None:
        """Write slurm.conf, gres.conf, the fake GPUs and, where there is none, munge's key."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        for node in NODES:
            devices = self.folder / node
            devices.mkdir()
            for gpu in range(GPUS_PER_NODE):
                os.mknod(devices / f"nvidia{gpu}", stat.S_IFCHR | 0o600, os.makedev(NVIDIA_MAJOR, gpu))
        if not MUNGE_KEY.exists():
            MUNGE_KEY.write_bytes(os.urandom(1024))
            shutil.chown(MUNGE_KEY, "munge", "munge")
            MUNGE_KEY.chmod(0o400)
        socket_folder = Path("/run/munge")
        socket_folder.mkdir(exist_ok=True)
        shutil.chown(socket_folder, "munge", "munge")
        CONFIGURATION.mkdir(exist_ok=True)
        (CONFIGURATION / "slurm.conf").write_text(MARK + self._slurm_conf())
        (CONFIGURATION / "gres.conf").write_text(
            "".join(
                f"NodeName={node} Name=gpu Type=v100 File={self.folder}/{node}/nvidia[0-{GPUS_PER_NODE - 1}]\n"
                for node in NODES
            )
        )

    def _slurm_conf(self) -> str:
        host = socket.gethostname()
        nodes = "".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=64 RealMemory=200000"
            f" Gres=gpu:v100:{GPUS_PER_NODE}\n"
            for node, port in NODES.items()
        )
        # Accounting is off on purpose. cred_expire is what a requeued job has to wait.
        return f"""
ClusterName=shelfmark
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
GresTypes=gpu
SlurmdParameters=config_overrides
SlurmdTimeout=10
ReturnToService=2
KillWait=3
MinJobAge=7200
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
{nodes}PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP
"""


def _runs_on(process: Path, node: str) -> bool:
    try:
        return f"SLURMD_NODENAME={node}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _step_daemon(process: Path) -> Path | None:
    """The slurmstepd that started a process."""
    try:
        parent = Path("/proc", (process / "stat").read_text().rpartition(")")[2].split()[1])
        return parent if (parent / "comm").read_text().strip() == "slurmstepd" else None
    except OSError:
        return None
