#!/usr/bin/env bash
# Snakemake runs this in the environment that it has made from mxnet-cpu.yaml. MXNet asks for
# numpy<2, so it comes without what it asks for: the .yaml has that.
set -euo pipefail
"$CONDA_PREFIX/bin/python" -m pip install --quiet --no-deps --require-hashes --requirement /dev/stdin <<'PINS'
mxnet==1.9.1 \
    --hash=sha256:5e51a0c05d99f8f1b3b5e7c02170be57af2e6edb3ad9af2cb9551ace3e22942c \
    --hash=sha256:65d5dac162c87a14d138d888b54494d515036d9047ae804ff51f770bd02197a6 \
    --hash=sha256:73c045f65ad05fe9ca3c4202e10471703b57231f8ac8b05d973ec2ab362178fb
PINS
