"""Run Snakemake with the given arguments and print, as JSON, what its rules see as config and which files jobs are given.

What Snakemake itself prints goes to stderr.
"""

import contextlib
import json
import sys

from snakemake.cli import main

with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(SystemExit):
    main()

workflow = sys.modules["snakemake.workflow"].workflow
print(json.dumps({"config": workflow.globals["config"], "files": list(map(str, workflow.overwrite_configfiles))}))
