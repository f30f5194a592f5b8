# SPDX-License-Identifier: Apache-2.0
"""Words for sizes."""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
