"""What MXNet could not do, in one line."""

import contextlib
from collections.abc import Iterator

import cli
from engines import MEMORY_ADVICE
from engines.mxnet.library import mx

ADVICE = {
    "sub-memory": "on a CPU, the channels that DPN and DenseNet concatenate must come in multiples of 16",
    "out of memory": MEMORY_ADVICE,
}


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn MXNet's errors into lines for users; also a decorator.

    Raises:
        cli.UserError: MXNet failed; says why, with advice where there is some.
    """
    try:
        yield
    except mx.MXNetError as error:
        raise cli.UserError("; ".join([reason(error), *_advice(error)])) from error


def reason(error: mx.MXNetError) -> str:
    """The last line of what MXNet says; a trace of C++ stands before it."""
    return str(error).strip().splitlines()[-1].strip()


def _advice(error: mx.MXNetError) -> list[str]:
    return [advice for part, advice in ADVICE.items() if part in str(error)]
