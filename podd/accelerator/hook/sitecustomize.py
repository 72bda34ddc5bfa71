"""Runs at the start of each Python in a worker's container, because podd puts its directory on PYTHONPATH.

It gives way to the sitecustomize that would have run otherwise, and waits for the worker SDK to be imported:
only then is anything else loaded. Any Python may come by, so this file keeps to what all versions read.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_JOB_LOOP = "runpod.serverless.modules.rp_scale"


class _Watch(object):
    """Finds no modules of its own: when the SDK's job loop is about to be imported, it sees to it that the
    accelerator has a look at it afterwards. Once, and then it is gone."""

    def find_spec(self, name, path=None, target=None):
        if name != _JOB_LOOP:
            return None
        sys.meta_path.remove(self)
        for finder in list(sys.meta_path):
            spec = finder.find_spec(name, path, target) if hasattr(finder, "find_spec") else None
            if spec is not None:
                _look_after(spec.loader)
                return spec
        return None


def _look_after(loader):
    """Have the module accelerated once `loader` has executed it."""
    execute = loader.exec_module

    def execute_and_accelerate(module):
        execute(module)
        try:
            del loader.exec_module
            _accelerator().accelerate(module)
        except Exception:
            pass  # the SDK works without

    try:
        loader.exec_module = execute_and_accelerate
    except Exception:
        pass


def _accelerator():
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("podd_accelerator", os.path.join(_HERE, "podd_accelerator.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _give_way():
    """Run the sitecustomize that this one stands in front of. What goes wrong there is reported as ever."""
    this = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as error:
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
    finally:
        if this is not None:
            sys.modules.setdefault("sitecustomize", this)


sys.path[:] = [entry for entry in sys.path if entry != _HERE]
if sys.version_info >= (3, 8) and os.environ.get("PODD_ACCELERATE") != "0":
    sys.meta_path.insert(0, _Watch())
_give_way()
