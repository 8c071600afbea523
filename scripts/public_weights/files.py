"""Weight files of PyTorch's networks, read without PyTorch, and their names on the Hugging Face Hub."""

from pathlib import Path

import numpy as np
import safetensors.numpy

import cli
from public_weights import torch_files

SAFETENSORS = ".safetensors"
HUB = "hf-hub:"  # as timm writes it
FILE_ON_HUB = f"model{SAFETENSORS}"


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .safetensors file, or of one that torch.save wrote, by name.

    Raises:
        cli.UserError: the file is missing, damaged, or holds anything else than named arrays.
    """
    return _read_safetensors(path) if path.suffix == SAFETENSORS else torch_files.read(path)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return safetensors.numpy.load_file(path)
    except FileNotFoundError:
        raise cli.UserError(f"{path}: no such file; name a .safetensors or .pth file") from None
    except (safetensors.SafetensorError, KeyError) as error:
        raise cli.UserError(f"{path}: not a safetensors file, or damaged ({error}); get it anew") from error


def fetched(name: str) -> Path:
    """The weights that the Hugging Face Hub has under a name such as timm/densenet161.tv_in1k.

    Raises:
        cli.UserError: the package huggingface_hub is missing, or does not get them.
    """
    try:
        import huggingface_hub  # noqa: PLC0415 - needed here only
    except ImportError:
        raise cli.UserError(f"{HUB}{name}: install the package huggingface_hub to fetch it, or name a file") from None
    try:
        return Path(huggingface_hub.hf_hub_download(name, FILE_ON_HUB))
    except (huggingface_hub.errors.HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise cli.UserError(f"{HUB}{name}: the Hugging Face Hub did not give it ({reason}); name a file") from error


def located(source: str) -> Path:
    """The file of a path, or of a name on the Hugging Face Hub after HUB.

    Raises:
        cli.UserError: a name's weights cannot be fetched.
    """
    return fetched(source.removeprefix(HUB)) if source.startswith(HUB) else Path(source)
