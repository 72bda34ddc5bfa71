"""Containers on a real Docker Engine.

`spec` says what to ask the engine for and `answers` what its replies mean, both as plain data; `connection`
owns the HTTP client, its timeouts and errors; `logs` follows log streams; `engine` is the port itself.
"""
