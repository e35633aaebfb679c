"""What worker processes are forked from imports this: PyTorch and what runs checks in it, and nothing is run yet."""

from __future__ import annotations

import gc
from contextlib import suppress
from importlib import import_module

from gradcli.libraries import loaded_beside

gc.disable()  # until all is set apart: the first search for garbage would go through 300,000 objects
with loaded_beside():
    import_module("gradcli.suite.work")  # a worker process begins there
    with suppress(Exception):  # each check says itself what is wrong with an installation
        import_module("gradcli.engine").import_torch()
        import_module("gradcli.execution.commands.check")
gc.freeze()  # what is loaded stays, and a search for garbage in a forked process would copy it
gc.enable()
