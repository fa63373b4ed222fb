"""Which processor runs what: a file stays together, and a folder whose tests share something dear (a whole country, parsed code).

Work is given out in the order of the folders (`--no-loadscope-reorder`): the dear ones come first, none is left for the end.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

_TOGETHER = ("tests/architecture/", "tests/integration/", "tests/unit/app/keyring/")


class _ByFolderOrFile(LoadFileScheduling):  # type: ignore[misc]  # xdist is not typed
    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in _TOGETHER if nodeid.startswith(folder)), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return _ByFolderOrFile(config, log) if config.getvalue("dist") == "loadfile" else None
