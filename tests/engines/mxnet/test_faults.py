"""What MXNet could not do, as a line for users."""

import pytest

import cli
from engines.mxnet import faults
from engines.mxnet.library import mx


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        ("Check failed: e == cudaSuccess: CUDA: an illegal memory access was encountered", True),
        ("std::bad_alloc", True),
        ("cudaMalloc retry failed: out of memory", False),
        ("Error in operator fc: Shape inconsistent, Provided = [1], inferred shape=[2]", False),
    ],
)
def test_a_broken_device_may_pass_and_a_batch_that_does_not_fit_stays(words, passes):
    with pytest.raises(cli.UserError) as raised, faults.explained():
        raise mx.MXNetError(f"Traceback\n  File x\n{words}")
    assert isinstance(raised.value, cli.PassingError) == passes
