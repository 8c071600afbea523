"""Reading a catalog: BSON documents, the index of its pictures, joins over the index, classes."""
