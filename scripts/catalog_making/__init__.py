"""How people's pictures become a catalog: which files are taken, what is a product, which id it gets."""
