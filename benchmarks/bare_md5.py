"""Hash the bytes of a file with MD5 in processes that take a share each: the baseline of the index.

Example:
    python benchmarks/bare_md5.py catalog/train.bson 2
"""

import hashlib
import multiprocessing
import sys
from pathlib import Path

PIECE = 1 << 20  # bytes


def hash_range(path: Path, start: int, size: int) -> None:
    """Hash `size` bytes of a file."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while size > 0 and (piece := file.read(min(size, PIECE))):
            digest.update(piece)
            size -= len(piece)


def main() -> None:
    path, count = Path(sys.argv[1]), int(sys.argv[2])
    share = -(-path.stat().st_size // count)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=hash_range, args=(path, n * share, share)) for n in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
