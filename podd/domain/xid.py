"""Xid errors: what NVIDIA's driver reports about a GPU, and whether it is the GPU's own fault.

A program can crash its own context on a GPU that is fine. Such Xids, and those the card deals with by
itself, keep nobody from using it; every other one does, known or not.
"""

from collections.abc import Collection

HARMLESS = {
    13: "a program used the GPU wrongly (graphics engine exception)",
    31: "a program accessed memory it must not (GPU memory page fault)",
    43: "a program's work was stopped after a fault of its own",
    45: "a program's work was cleaned up after it was killed or had failed",
    63: "the card has put a spare in place of a faulty memory row or page",
    68: "a program gave the video processor something it cannot do",
    92: "many memory errors, all of them corrected",
    109: "a program did not let go of the GPU in time (context switch timeout)",
}

KNOWN = {
    48: "a double-bit memory error (ECC)",
    62: "an internal microcontroller stopped",
    64: "no spare could be put in place of a faulty memory row or page",
    74: "an NVLink error",
    79: "the GPU has fallen off the bus",
    94: "a memory error that could not be corrected, contained to one program",
    95: "a memory error that could not be corrected nor contained",
    119: "the GPU's system processor does not answer (GSP timeout)",
    120: "the GPU's system processor failed (GSP error)",
}


def fatal(xid: int, ignored: Collection[int] = ()) -> bool:
    """Whether the GPU is to leave service. `ignored` are further Xids that the operator knows to be
    harmless."""
    return xid not in HARMLESS and xid not in ignored


def text(xid: int) -> str:
    meaning = HARMLESS.get(xid) or KNOWN.get(xid)
    return f"Xid {xid}: {meaning}" if meaning else f"Xid {xid}"
