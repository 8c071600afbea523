"""One forward and backward pass of a network, alone in its process so that its peak memory can be told.

Prints JSON: loss, names of arrays without a gradient, peak memory (bytes), seconds.
    python tests/networks/full_size_step.py 5270 '{"family": "resnext", ...}'
"""

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import numpy as np

import networks
from engines.mxnet.library import mx


def main() -> None:
    classes, spec = int(sys.argv[1]), json.loads(sys.argv[2])
    mx.random.seed(0)
    symbol = mx.sym.SoftmaxOutput(networks.build(mx.sym, spec, 180, classes), name="softmax")
    start = time.monotonic()
    module = mx.mod.Module(symbol)
    module.bind(data_shapes=[("data", (1, 3, 180, 180))], label_shapes=[("softmax_label", (1,))])
    module.init_params(mx.init.MSRAPrelu(factor_type="avg", slope=0.25))
    picture = mx.nd.random.uniform(0, 255, (1, 3, 180, 180))
    module.forward_backward(mx.io.DataBatch([picture], [mx.nd.array([3])]))
    loss = -np.log(module.get_outputs()[0].asnumpy()[0, 3])
    gradients = module._exec_group.execs[0].grad_dict
    without = [
        name
        for name, gradient in gradients.items()
        if name not in ("data", "softmax_label", "bn_data_gamma")  # bn_data's gamma is fixed
        and (gradient is None or not np.abs(gradient.asnumpy()).sum() > 0)
    ]
    report = {
        "loss": float(loss),
        "without_gradient": without,
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "seconds": time.monotonic() - start,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
