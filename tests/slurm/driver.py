"""Snakemake with an executor for SLURM that asks every second how its jobs are.

The executor's own pauses grow by 10 seconds with each answer that no job has ended, which a test would spend waiting.
"""

import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)

sys.exit(main())
