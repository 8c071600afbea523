"""The plain approach to feeding a network, to compare with: products pickled one by one, the mirror sent beside them.

It re-tells how the published predictor moves pictures: one process reads the catalog and hands products to decoders,
these send every view of every picture on, and the network's process copies them into a batch.
"""

import multiprocessing
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import bson
import cv2
import numpy as np
import zmq

HOST = "tcp://127.0.0.1"


def read_products(catalog: Path, port: int) -> None:
    """Send the pictures of each product, then wait to be ended, as the decoders do."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as target, catalog.open("rb") as file:
        target.set_hwm(1)
        target.bind(f"{HOST}:{port}")
        for product in bson.decode_file_iter(file):
            target.send_pyobj([image["picture"] for image in product["imgs"]])
        signal.pause()


def decode_products(port: int, result_port: int, hwm: int, mirror: bool) -> None:
    """Send the views (3, height, width) of each product's pictures, and the pictures beside them for look-ups."""
    cv2.setNumThreads(1)
    with zmq.Context() as context, context.socket(zmq.PULL) as source, context.socket(zmq.PUSH) as target:
        source.connect(f"{HOST}:{port}")
        target.set_hwm(hwm)
        target.connect(f"{HOST}:{result_port}")
        while True:
            views = []
            for picture in source.recv_pyobj():
                pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
                pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
                views.append((pixels.transpose(2, 0, 1), picture))
                if mirror:
                    views.append((cv2.flip(pixels, 1).transpose(2, 0, 1), picture))
            target.send_pyobj(views)


def predict(
    forward: Callable[[np.ndarray], np.ndarray], catalog: Path, pictures: int, shape: tuple, decoders: int, mirror: bool
) -> None:
    """Forward all views of a catalog's pictures in batches of a shape."""
    context = zmq.Context.instance()
    results = context.socket(zmq.PULL)
    results.set_hwm(shape[0])
    result_port = results.bind_to_random_port(HOST)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=read_products, args=(catalog, port))]
    arguments = (port, result_port, shape[0], mirror)
    processes += [fork.Process(target=decode_products, args=arguments) for _ in range(decoders)]
    for process in processes:
        process.start()
    batch, filled, missing = np.zeros(shape), 0, pictures * (1 + mirror)
    while missing:
        views = results.recv_pyobj()
        if filled + len(views) > len(batch):
            forward(batch)
            filled = 0
        for pixels, _ in views:
            batch[filled] = pixels
            filled += 1
        missing -= len(views)
    forward(batch)
    for process in processes:
        process.kill()
        process.join()
    results.close(linger=0)
