"""Run Snakemake with the given arguments; print, as JSON, the config that rules see and the config files that jobs get.

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
