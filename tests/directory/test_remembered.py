# SPDX-License-Identifier: Apache-2.0
"""Passwords that were checked before."""

from __future__ import annotations

from armgs_server.directory.remembered import PASSWORDS_LIMIT, Remembered


def test_a_password_is_remembered_for_one_account() -> None:
    remembered: Remembered[int] = Remembered(10, 60.0)
    remembered.add(1, b"a")
    assert (1, b"a") in remembered
    assert (1, b"b") not in remembered
    assert (2, b"a") not in remembered
    remembered.forget(1)
    assert (1, b"a") not in remembered


def test_time_and_numbers_are_bounded() -> None:
    late: Remembered[int] = Remembered(10, 0.0)
    late.add(1, b"a")
    assert (1, b"a") not in late
    remembered: Remembered[int] = Remembered(2, 60.0)
    for account in range(3):
        remembered.add(account, b"a")
    assert [(account, b"a") in remembered for account in range(3)] == [False, True, True]
    for number in range(PASSWORDS_LIMIT):
        remembered.add(2, b"%d" % number)
    assert (2, b"a") not in remembered
    remembered.forget_all()
    assert (1, b"a") not in remembered


def test_a_limit_of_nothing_remembers_nothing() -> None:
    remembered: Remembered[int] = Remembered(0, 60.0)
    remembered.add(1, b"a")
    assert (1, b"a") not in remembered
