"""podd: a GPU rental platform for one machine, spoken to through RunPod's APIs."""

from importlib.metadata import version

__version__ = version("podd")
