#!/bin/bash
# Stands for python in the jobs of a test: notes when a program starts and ends, and holds one that a test wants to catch.
program=$(basename "$1" .py)
epoch=$(sed -nE 's#.*models/(M[0-9]+)/0*([0-9]+)\.recipe.*#\1-\2#p' <<<"$*")
name=$program${epoch:+-$epoch}
echo "start $name ${SLURM_JOB_ID:-local} ${SLURMD_NODENAME:-local} ${CUDA_VISIBLE_DEVICES:-none}" >> "$SHELFMARK_JOURNAL/journal"
while [ -e "$SHELFMARK_JOURNAL/hold-$name" ]; do sleep 0.2; done
"$SHELFMARK_PYTHON" "$@"
status=$?
echo "end $name ${SLURM_JOB_ID:-local} $status" >> "$SHELFMARK_JOURNAL/journal"
exit $status
