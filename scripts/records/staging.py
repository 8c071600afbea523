"""Records on the node's own disk while a job trains, as reading in random order is slow on a shared file system."""

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cli

BLOCK = 1 << 22  # bytes copied at once


@contextlib.contextmanager
def staged(records: Path, folder: str | None) -> Iterator[Path]:
    """Yield where a .rec is to be read: its copy in a folder of the node's disk, or where it is if there is no room.

    The copy has no name of its own, so its room is free again however the process ends. Only links to it and to the
    .idx have names.

    Args:
        folder: may hold variables of the environment, such as $TMPDIR; None: nothing is copied.

    Raises:
        cli.UserError: what the block raises, with the name of the .rec for that of its copy.
    """
    if folder is None:
        yield records
        return
    with contextlib.ExitStack() as stack:
        try:
            copy = _copy(records, Path(os.path.expandvars(folder)), stack)
        except OSError as error:
            stack.close()
            cli.warn(f"{records} is not copied to {folder}, and is read where it is: {error.strerror or error}")
            copy = records
        try:
            yield copy
        except cli.UserError as error:
            raise cli.UserError(str(error).replace(str(copy), str(records))) from error


def _copy(records: Path, folder: Path, stack: contextlib.ExitStack) -> Path:
    """A link to a copy of a .rec, beside one to its .idx; both go with the stack."""
    start, size = time.monotonic(), records.stat().st_size
    target = stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - the stack closes it
    if size > shutil.disk_usage(folder).free:  # a file system that is asked all the same fills up before it refuses
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if size:
        os.posix_fallocate(target.fileno(), 0, size)  # all the room at once, or the error that there is none
    with records.open("rb") as source:
        shutil.copyfileobj(source, target, BLOCK)
    target.flush()
    link = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shelfmark-", dir=folder)), records.name)
    link.symlink_to(f"/proc/{os.getpid()}/fd/{target.fileno()}")
    link.with_suffix(".idx").symlink_to(records.with_suffix(".idx").absolute())
    cli.summary(f"{records}: {size / 1e6:.0f} MB copied to {folder} in {time.monotonic() - start:.1f} s")
    return link
