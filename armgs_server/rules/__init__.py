# SPDX-License-Identifier: Apache-2.0
"""What happens by itself: people's mail rules (Sieve, RFC 5228 and its extensions) and their absence.

Invariants:
- Nothing here speaks a protocol. Who delivers a message asks what is to become of it, and does that in the
  transaction that delivers (`smtp.filing`).
- A script can neither lose a message nor stop the server: whatever goes wrong in it means implicit keep,
  and its time, memory and effects are bounded by `[sieve]`.
"""
