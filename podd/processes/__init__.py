"""Containers as plain local processes: no images, no isolation, for trying podd out and for quick tests.

`shim` keeps one process and outlives the daemon; `record` is what is written down about it; `log` reads what
it printed; `engine` is the port.
"""
