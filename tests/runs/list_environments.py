"""Print the conda environment of each job of a dry run with the given Snakemake arguments as JSON, by rule and model.

The scripts of the working directory's checkout are taken.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, "scripts")

from plan_workflow import dry_run_jobs
from terminal import handler

dry_run_jobs(sys.argv[1:])
jobs = [job for job in handler.parsed[-1].dag.jobs if job.conda_env_spec]
named = {f"{job.rule.name} {job.wildcards.get('model', '')}".strip(): job.conda_env_spec.file for job in jobs}
print(json.dumps({name: Path(str(file.get_path_or_uri(secret_free=True))).stem for name, file in named.items()}))
