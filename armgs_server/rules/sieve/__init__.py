# SPDX-License-Identifier: Apache-2.0
"""The mail filtering language Sieve: RFC 5228, with an extension a file in `extensions`.

script text → `lexer` → `grammar` (a tree) → `checking` (names, arguments, capabilities) → `program` (plain
data, kept beside the script in the store) → `machine` (runs it on a `letter`) → `actions`.
"""
