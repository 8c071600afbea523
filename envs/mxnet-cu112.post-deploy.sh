#!/usr/bin/env bash
# Snakemake runs this in the environment that it has made from mxnet-cu112.yaml, as `make gpu` does in .venv. MXNet asks for
# numpy<2, so it comes without what it asks for: the .yaml has that.
set -euo pipefail
"$CONDA_PREFIX/bin/python" -m pip install --quiet --no-deps --require-hashes --requirement /dev/stdin <<'PINS'
mxnet==1.9.1 \
    --hash=sha256:5e51a0c05d99f8f1b3b5e7c02170be57af2e6edb3ad9af2cb9551ace3e22942c \
    --hash=sha256:65d5dac162c87a14d138d888b54494d515036d9047ae804ff51f770bd02197a6 \
    --hash=sha256:73c045f65ad05fe9ca3c4202e10471703b57231f8ac8b05d973ec2ab362178fb
PINS
"$CONDA_PREFIX/bin/python" -m pip install --quiet --no-deps --require-hashes --target "$CONDA_PREFIX/gpu" --requirement /dev/stdin <<'PINS'
mxnet-cu112==1.9.1 \
    --hash=sha256:70137a60eef49241b1137231bbd6bdeedbb0eca83e136f864ead36998814bfe5
nvidia-cublas-cu11==11.11.3.6 \
    --hash=sha256:39fb40e8f486dd8a2ddb8fdeefe1d5b28f5b99df01c87ab3676f057a74a5a6f3 \
    --hash=sha256:5ccae9e069a2c6be9af9cb5a0b0c6928c19c7915e390d15f598a1eead2a01a7a \
    --hash=sha256:60252822adea5d0b10cd990a7dc7bedf7435f30ae40083c7a624a85a43225abc \
    --hash=sha256:6ab12b1302bef8ac1ff4414edd1c059e57f4833abef9151683fb8f4de25900be
nvidia-cuda-nvrtc-cu11==11.8.89 \
    --hash=sha256:1f27d67b0f72902e9065ae568b4f6268dfe49ba3ed269c9a3da99bb86d1d2008 \
    --hash=sha256:8ab17ed51e7c4928f7170a0551e3e3b42f89d973bd267ced9688c238b3e10aef \
    --hash=sha256:a8d02f3cba345be56b1ffc3e74d8f61f02bb758dd31b0f20e12277a5a244f756 \
    --hash=sha256:e18a23a8f4064664a6f1c4a64f38c581cbebfb5935280e94a4943ea8ae3791b1
nvidia-cuda-runtime-cu11==11.8.89 \
    --hash=sha256:92d04069a987e1fbc9213f8376d265df0f7bb42617d44f5eda1f496acea7f2d1 \
    --hash=sha256:e53bf160b6b660819cb6e4a9da2cc89e6aa2329858299780a2459780a2b8d012 \
    --hash=sha256:f587bd726eb2f7612cf77ce38a2c1e65cf23251ff49437f6161ce0d647f64f7c \
    --hash=sha256:f60c9fdaed8065b38de8097867240efc5556a8a710007146daeb9082334a6e63
nvidia-cudnn-cu11==8.9.6.50 \
    --hash=sha256:319a8f7ca3d65139f1b69998595c7076ae0e4271a325e5dfde50a3ca31f55584
nvidia-cufft-cu11==10.9.0.58 \
    --hash=sha256:222f9da70c80384632fd6035e4c3f16762d64ea7a843829cb278f98b3cb7dd81 \
    --hash=sha256:34b7315104e615b230dc3c2d1861f13bff9ec465c5d3b4bb65b4986d03a1d8d4 \
    --hash=sha256:c4d316f17c745ec9c728e30409612eaf77a8404c3733cdf6c9c1569634d1ca03 \
    --hash=sha256:e21037259995243cc370dd63c430d77ae9280bedb68d5b5a18226bfc92e5d748
nvidia-curand-cu11==10.3.0.86 \
    --hash=sha256:64defc3016d8c1de351a764617818c2961210430f12476faee10084b269b188c \
    --hash=sha256:8fa8365065fc3e3760d7437b08f164a6bcf8f7124f3b544d2463ded01e6bdc70 \
    --hash=sha256:ac439548c88580269a1eb6aeb602a5aed32f0dbb20809a31d9ed7d01d77f6bf5 \
    --hash=sha256:cd4cffbf78bb06580206b4814d5dc696d1161c902aae37b2bba00056832379e6
nvidia-cusolver-cu11==11.4.1.48 \
    --hash=sha256:1a96acb05768610bc414dbef5b25ebd2d820fc8a1e8c72097f41f53d80934d61 \
    --hash=sha256:7efe43b113495a64e2cf9a0b4365bd53b0a82afb2e2cf91e9f993c9ef5e69ee8 \
    --hash=sha256:ca538f545645b7e6629140786d3127fe067b3d5a085bd794cde5bfe877c8926f \
    --hash=sha256:ea9fb1ad8c644ca9ed55af13cc39af3b7ba4c3eb5aef18471fe1fe77d94383cb
nvidia-nccl-cu11==2.21.5 \
    --hash=sha256:49d8350629c7888701d1fd200934942671cb5c728f49acc5a0b3a768820bed29
nvidia-nvtx-cu11==11.8.86 \
    --hash=sha256:54031010ee38d774b2991004d88f90bbd7bbc1458a96bbc4b42662756508c252 \
    --hash=sha256:5e84b97062eb102b45a8a9172a06cfe28b239b1635075a13d6474e91295e0468 \
    --hash=sha256:890656d8bd9b4e280231c832e1f0d03459200ba4824ddda3dcb59b1e1989b9f5 \
    --hash=sha256:979f5b2aef5da164c5c53c64c85c3dfa61b8b4704f4f963bb568bf98fa8472e8
PINS
