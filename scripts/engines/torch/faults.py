"""What a GPU could not do, in one line."""

import contextlib
from collections.abc import Iterator

import torch

import cli
from engines import MEMORY_ADVICE


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn CUDA's errors into lines for users; also a decorator.

    Raises:
        cli.UserError: a GPU has too little memory for a batch.
        cli.PassingError: it failed otherwise.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise cli.UserError(f"{_reason(error)}; {MEMORY_ADVICE}") from error
    except torch.AcceleratorError as error:
        raise cli.PassingError(_reason(error)) from error


def _reason(error: RuntimeError) -> str:
    """The first sentence of what PyTorch says."""
    return str(error).strip().splitlines()[0].partition(". ")[0]
