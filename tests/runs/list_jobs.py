"""Print the jobs of a dry run with the given Snakemake arguments as JSON, a list of [rule, wildcards, reason].

The scripts of the working directory's checkout are taken.
"""

import json
import sys

sys.path.insert(0, "scripts")

from plan_workflow import dry_run_jobs

print(json.dumps([(job.rule, job.wildcards, job.reason) for job in dry_run_jobs(sys.argv[1:])[0]]))
