# SPDX-License-Identifier: Apache-2.0
"""Who wrote this mail, and is it wanted: what SMTP asks before it keeps a message and before it sends one."""
