# SPDX-License-Identifier: Apache-2.0
"""The workplace of the directory's tests, for those of administration."""

from __future__ import annotations

from tests.directory.conftest import directory, workplace

__all__ = ["directory", "workplace"]
