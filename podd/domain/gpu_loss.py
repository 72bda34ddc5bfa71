"""Whether a container can still use its GPUs.

The NVIDIA runtime gives a container its devices behind systemd's back: when systemd reloads its units it
sets the container's device rules anew, without the GPUs, and programs inside get `NVML: Unknown Error`
(NVIDIA/nvidia-container-toolkit issue 48). A restart of the container brings them back.
"""

QUESTIONS = (("nvidia-smi", "-L"), ("sh", "-c", ": </dev/nvidiactl"))
"""Commands that tell, the best first; not every image has them."""


def lost(exit_code: int, output: str) -> bool | None:
    """What the answer to a question says; None: nothing."""
    if exit_code == 0:
        return False
    said = output.lower()
    return True if "nvml: unknown error" in said or "operation not permitted" in said else None
