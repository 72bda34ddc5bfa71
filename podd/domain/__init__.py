"""The rules of podd as values and pure functions: no I/O, no clock, no randomness.

Times are integer milliseconds since the epoch, money is integer nano-dollars, memory is MiB unless a
name says otherwise.
"""
