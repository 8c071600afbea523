"""MXNet 1.9.1 beside NumPy 2: `from engines.mxnet.library import mx`.

While it is imported, MXNet looks up names that NumPy 2 dropped (its migration guide lists them). They are put back
for that time only. What MXNet makes of them is in `mx.np`, which Shelfmark does not use.
"""

import numpy as np

from engines.mxnet import gpu_packages

RENAMED = {
    **{"alltrue": np.all, "sometrue": np.any, "product": np.prod, "round_": np.round},
    **{"in1d": np.isin, "trapz": getattr(np, "trapezoid", None), "msort": np.sort},
    **{"Inf": np.inf, "PINF": np.inf, "NINF": -np.inf, "NaN": np.nan, "NAN": np.nan, "PZERO": 0.0, "NZERO": -0.0},
}
FINANCIAL = ("mirr", "npv", "pmt", "ppmt", "pv", "rate")

_put_back = {name: value for name, value in (RENAMED | dict.fromkeys(FINANCIAL)).items() if name not in vars(np)}
for _name, _value in _put_back.items():
    setattr(np, _name, _value)
gpu_packages.use()
try:
    import mxnet as mx
finally:
    for _name in _put_back:
        delattr(np, _name)

__all__ = ["mx"]
