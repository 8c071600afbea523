"""The workflow as people think of it: a few dozen boxes, what they wait for and what they cost."""
