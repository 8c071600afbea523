#!/bin/bash
# Stands for python in the jobs of a test: notes when a program starts and ends, and stops an epoch that a test wants to
# catch in the midst of its batches, or kills one as the kernel does where memory runs out.
program=$(basename "$1" .py)
epoch=$(sed -nE 's#.*models/(M[0-9]+)/0*([0-9]+)-[0-9a-f]+\.recipe.*#\1-\2#p' <<<"$*")
name=$program${epoch:+-$epoch}
threads=$(sed -nE 's/.* --(threads|decoders|processes) ([0-9]+).*/\2/p' <<<"$*")
gpus=$(sed -nE 's/.* --gpus ([0-9]+).*/\1/p' <<<"$*")
where="${SLURM_JOB_ID:-local} ${SLURMD_NODENAME:-local} ${CUDA_VISIBLE_DEVICES:-none} ${threads:-1} ${gpus:-0}"
hold=$SHELFMARK_JOURNAL/hold-$name
# There are no GPUs behind SLURM's here: programs that ask for some compute on the CPU, but where a test wants to see them.
[ -z "$gpus" ] || [ -e "$SHELFMARK_JOURNAL/asks-for-gpus" ] || set -- "$@" --gpus 0

note() { echo "$*" >> "$SHELFMARK_JOURNAL/journal"; }

note start "$name" "$where"
"$SHELFMARK_PYTHON" "$@" &
if [ -e "$SHELFMARK_JOURNAL/kill-$name" ]; then
  rm "$SHELFMARK_JOURNAL/kill-$name"
  kill -KILL $!
fi
if [ -e "$hold" ]; then
  until grep -q 'batch/s' /dev/stderr; do sleep 0.1; done
  kill -STOP $!
  note held "$name" "$where"
  while [ -e "$hold" ]; do sleep 0.2; done
  kill -CONT $!
fi
wait $!
status=$?
note end "$name" "${SLURM_JOB_ID:-local}" $status
exit $status
