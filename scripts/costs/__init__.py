"""What the jobs of a configuration take: their work, their seconds and their memory, from the sizes of a catalog.

The one place for such figures. The plan tells them; what jobs request of a cluster follows from them (requests.py).
"""
