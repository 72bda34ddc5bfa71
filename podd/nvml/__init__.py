"""The real GPUs of this machine, through NVIDIA's management library (NVML)."""

from podd.nvml.probe import NO_DRIVER, NvmlProbe

__all__ = ["NO_DRIVER", "NvmlProbe"]
