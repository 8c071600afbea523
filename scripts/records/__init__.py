"""MXNet's RecordIO, written and read without MXNet."""
