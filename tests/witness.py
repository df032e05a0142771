"""What the system was asked to bring to the disk, as it was asked."""

from __future__ import annotations

import ctypes
import os

_LIBRARY = ctypes.CDLL(None, use_errno=True)

HAS_SYNCFS = hasattr(_LIBRARY, "syncfs")


class Witness:
    """Stands in for the module `ctypes` in `crawler.store.sync`: `syncfs` is called through, and what it says is passed on. `synced` holds
    the number of each file system for which it said that all is on the disk. With `refusal`, an errno, it is not called, and fails."""

    def __init__(self, refusal: int = 0) -> None:
        self.synced: list[int] = []
        self._refusal = refusal

    def CDLL(self, name: None, use_errno: bool) -> Witness:
        """The library of C."""
        return self

    def syncfs(self, descriptor: int) -> int:
        """As in syncfs(2)."""
        if self._refusal:
            ctypes.set_errno(self._refusal)
            return -1
        failed: int = _LIBRARY.syncfs(descriptor)
        if not failed:
            self.synced.append(os.fstat(descriptor).st_dev)
        return failed

    def get_errno(self) -> int:
        """Why the last call failed."""
        return ctypes.get_errno()
