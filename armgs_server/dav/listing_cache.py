# SPDX-License-Identifier: Apache-2.0
"""ListingCache: ready `<response>` texts of members by folder and question (see listing.py)."""

from typing import TypeAlias

_OVERHEAD = 200  # of one entry beside its text

Texts: TypeAlias = dict[int, tuple[int, str]]  # uid -> modseq, text
FolderKey: TypeAlias = tuple[int, int, str, tuple[str, ...], bool]


class ListingCache:
    """Texts by folder and question."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._folders: dict[FolderKey, Texts] = {}  # oldest use first
        self._sizes: dict[FolderKey, int] = {}
        self.size = 0

    def texts(self, key: FolderKey) -> Texts:
        """What is kept for a folder."""
        return self._folders.get(key, {})

    def keep(self, key: FolderKey, texts: Texts) -> None:
        """Keeps these texts for a folder and no others."""
        self._drop(key)
        size = sum(len(text) for _, text in texts.values()) + _OVERHEAD * len(texts)
        if size > self._limit:
            return
        self._folders[key], self._sizes[key] = texts, size
        self.size += size
        while self.size > self._limit:
            self._drop(next(iter(self._folders)))

    def _drop(self, key: FolderKey) -> None:
        self._folders.pop(key, None)
        self.size -= self._sizes.pop(key, 0)
