"""What MXNet could not do, in one line."""

import contextlib
import re
from collections.abc import Iterator

import cli
from engines import MEMORY_ADVICE
from engines.mxnet.library import mx

ADVICE = {
    "sub-memory": "on a CPU, the channels that DPN and DenseNet concatenate must come in multiples of 16",
    "out of memory": MEMORY_ADVICE,
}
PASSING = re.compile("CUDA|bad_alloc|allocate CPU", re.IGNORECASE)  # without advice: a broken GPU, or no host memory


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn MXNet's errors into lines for users; also a decorator.

    Raises:
        cli.UserError: MXNet failed; says why, with advice where there is some.
        cli.PassingError: a device failed.
    """
    try:
        yield
    except mx.MXNetError as error:
        advice = _advice(error)
        kind = cli.PassingError if not advice and PASSING.search(reason(error)) else cli.UserError
        raise kind("; ".join([reason(error), *advice])) from error


def reason(error: mx.MXNetError) -> str:
    """The last line of what MXNet says; a trace of C++ stands before it."""
    return str(error).strip().splitlines()[-1].strip()


def _advice(error: mx.MXNetError) -> list[str]:
    return [advice for part, advice in ADVICE.items() if part in str(error)]
