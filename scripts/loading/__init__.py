"""From the bytes of pictures to batches of pixels: decoding, and the processes that do it."""
