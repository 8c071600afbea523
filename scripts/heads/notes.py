"""What a user has to know of how a head learned. Starts without NumPy, as tables read it."""


def notes(told: dict) -> list[str]:
    """A sentence for each fallback that a head took, by what train_head.py wrote of it; none where it took none."""
    found = []
    if not told["kept_aside"]:
        found.append(
            f"no product could be kept aside, so nothing chose the penalty, which is {told['penalty']}, or when to stop"
        )
    if lacking := told["classes_without_products"]:
        found.append(f"classes without a train product, which it never predicts: {lacking:,}")
    return found
