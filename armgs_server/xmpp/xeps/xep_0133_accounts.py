# SPDX-License-Identifier: Apache-2.0
"""XEP-0133 §4.1-§4.7, §4.30: people added, deleted, shut out and let in, sessions ended, passwords changed,
and who else administers the department. Passwords are told to nobody (§4.6).
"""

from __future__ import annotations

from armgs_server.directory.administrators import KEY, administered, set_administrators
from armgs_server.directory.model import Principal
from armgs_server.directory.new_passwords import PasswordRefused
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Ask, Call, Done, bad_payload
from armgs_server.xmpp.xeps.xep_0122_validation import LongerThan
from armgs_server.xmpp.xeps.xep_0133_admin import (
    ADMIN,
    JIDS,
    Texts,
    ask_people,
    asker,
    command,
    department_of,
    for_each,
    journal,
    people_named,
    person_named,
)
from armgs_server.xmpp.xeps.xep_0133_admin import (
    JID as JID_LABEL,
)

_ADD: Texts = ("Добавить пользователя", "Add User")
_DELETE: Texts = ("Удалить пользователей", "Delete Users")
_DISABLE: Texts = ("Отключить пользователей", "Disable Users")
_ENABLE: Texts = ("Включить пользователей", "Re-Enable Users")
_END: Texts = ("Завершить сеансы", "End User Sessions")
_PASSWORD: Texts = ("Сменить пароль", "Change User Password")
_ADMINISTRATORS: Texts = ("Администраторы", "Edit Administrators")


# §4.1, §4.7


def _password_fields(call: Call) -> list[Field]:
    rule = LongerThan(call.query.server.config.security.password_length)
    label, again = call.say("Пароль", "Password"), call.say("Ещё раз", "Retype password")
    return [
        Field("password", "text-private", label, required=True, rule=rule),
        Field("password-verify", "text-private", again, required=True),
    ]


def _password(call: Call, *, is_repeated: bool) -> str:
    """What was filled in, if it may be a password."""
    password = call.value("password")
    rule = LongerThan(call.query.server.config.security.password_length)
    if not rule.is_met(password):  # the department may ask for more: the directory says so
        raise bad_payload(f"a password has at least {rule.least} characters")
    if is_repeated and call.value("password-verify") != password:
        raise bad_payload("the passwords differ")
    return password


async def _ask_new(call: Call) -> Ask:
    fields = [
        Field("accountjid", "jid-single", call.say(*JID_LABEL), required=True),
        *_password_fields(call),
        Field("given_name", "text-single", call.say("Имя", "Given name")),
        Field("surname", "text-single", call.say("Фамилия", "Family name")),
    ]
    return Ask(forms.form(ADMIN, fields, title=call.say(*_ADD)), _add)


async def _add(call: Call) -> Done:
    directory = call.query.server.directory
    jid = parse(call.required("accountjid"))
    allowed = {each.id for each in await administered(directory, asker(call.query))}
    if not jid.local or directory.domains.get(jid.domain) not in allowed:
        raise bad_payload(f"{jid.bare} is no address of a department that you administer")
    password = _password(call, is_repeated=True)
    given, family = call.value("given_name").strip(), call.value("surname").strip()
    data = {key: value for key, value in (("given", given), ("family", family)) if value}
    name = " ".join(part for part in (family, given) if part)
    try:
        made = await directory.create_person(jid.bare, name, password=password, data=data)
    except PasswordRefused as error:
        raise bad_payload(error.text) from error
    await journal(call, "add", made.address)
    return Done()


async def _ask_password(call: Call) -> Ask:
    person = Field("accountjid", "jid-single", call.say(*JID_LABEL), required=True)
    password = _password_fields(call)[0]
    return Ask(forms.form(ADMIN, [person, password], title=call.say(*_PASSWORD)), _change_password)


async def _change_password(call: Call) -> Done:
    person = await person_named(call)
    password = _password(call, is_repeated=False)
    try:
        await call.query.server.directory.set_password(person.id, password)
    except PasswordRefused as error:
        raise bad_payload(error.text) from error
    await journal(call, "password", person.address)
    return Done()


# §4.2-§4.4


async def _delete(call: Call) -> Done:
    people = await people_named(call)
    _check_others(call, people)
    for person in people:
        await call.query.server.directory.delete(person.id)
        await journal(call, "delete", person.address)
    return Done()


async def _disable(call: Call, person: Principal) -> None:
    _check_others(call, [person])
    await call.query.server.directory.disable(person.id)


async def _enable(call: Call, person: Principal) -> None:
    await call.query.server.directory.enable(person.id)


def _check_others(call: Call, people: list[Principal]) -> None:
    if any(person.id == call.query.owner for person in people):
        raise bad_payload("nobody can do that to oneself")


# §4.5


async def _end_sessions(call: Call) -> Done:
    """A full JID names one session, a bare one all of the person's."""
    await people_named(call)
    for text in filter(str.strip, call.values.get("accountjids", ())):
        jid = parse(text.strip())
        _end_after(call.query, jid)
        await journal(call, "end session", jid.full)
    return Done()


def _end_after(query: Query, jid: JID) -> None:
    """The asker's own session may be among them: it gets the answer first."""
    query.after(lambda: query.server.spawn(query.server.end_sessions(jid, "policy-violation")))


# §4.30


async def _ask_administrators(call: Call) -> Ask:
    directory, department = call.query.server.directory, await department_of(call)
    found = [await directory.by_id(number) for number in department.data.get(KEY, ())]
    addresses = tuple(each.address for each in found if each is not None and each.address)
    field = Field("adminjids", "jid-multi", call.say(*JIDS), addresses, required=True)
    return Ask(forms.form(ADMIN, [field], title=call.say(*_ADMINISTRATORS)), _set_administrators)


async def _set_administrators(call: Call) -> Done:
    directory, department = call.query.server.directory, await department_of(call)
    chosen = []
    for text in filter(str.strip, call.values.get("adminjids", ())):
        found = await directory.by_address(parse(text.strip()).bare)
        if found is None or found.kind not in ("person", "group", "unit"):
            raise bad_payload(f"{text} is no person, group or unit")
        chosen.append(found)
    if not chosen:
        raise bad_payload("a department has an administrator")
    # A unit without an address cannot be named in the form, so it stays.
    before = [await directory.by_id(number) for number in department.data.get(KEY, ())]
    unnamed = [each.id for each in before if each is not None and not each.address]
    await set_administrators(directory, department, [*unnamed, *(each.id for each in chosen)])
    await journal(call, "administrators", " ".join(each.address for each in chosen))
    return Done()


COMMANDS = (
    command("add-user", _ADD, _ask_new),
    command("delete-user", _DELETE, ask_people(_DELETE, _delete)),
    command("disable-user", _DISABLE, for_each(_DISABLE, "disable", _disable)),
    command("reenable-user", _ENABLE, for_each(_ENABLE, "enable", _enable)),
    command("end-user-session", _END, ask_people(_END, _end_sessions)),
    command("change-user-password", _PASSWORD, _ask_password),
    command("edit-admin", _ADMINISTRATORS, _ask_administrators),
)
