import pytest

from waiting import spins_after_import

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")


def test_threads_that_wait_soon_leave_the_core_to_others():
    assert spins_after_import("engines.torch.devices") == "10000"
