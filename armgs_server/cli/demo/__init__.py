# SPDX-License-Identifier: Apache-2.0
"""The demonstration workplace: who is in it, what they have written, and the command that makes it.

Everything is made by the functions that the services use, in the state it would have after a week of work.
"""
