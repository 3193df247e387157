"""An app of a project whose views, signal receivers, commands and workers all call the Python API."""
