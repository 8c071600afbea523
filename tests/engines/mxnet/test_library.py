from waiting import spins_after_import


def test_threads_that_wait_soon_leave_the_core_to_others():
    assert spins_after_import("engines.mxnet.library") == "10000"
