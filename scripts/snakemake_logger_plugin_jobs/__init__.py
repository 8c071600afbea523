"""A Snakemake logger plugin that collects the jobs of a dry run, with the reasons that Snakemake gives.

Where scripts/ is on Python's path, `--logger jobs` finds it; the jobs are in COLLECTED afterwards.
"""

import logging
import sys

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

COLLECTED: list[logging.LogRecord] = []


class LogHandler(LogHandlerBase):
    """Keeps the record of each job (rule_name, wildcards, output, reason), prints errors, drops the rest."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            COLLECTED.append(record)
        elif record.levelno >= logging.ERROR:
            print(record.getMessage(), file=sys.stderr)
