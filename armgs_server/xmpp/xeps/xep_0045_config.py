# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §10.2: what an owner may configure of a room, as data, as a form, and as kept in the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field

FORM_TYPE = "http://jabber.org/protocol/muc#roomconfig"
TEXT_LIMIT = 3000  # characters of one text of the form

Type = Literal["text-single", "text-private", "boolean", "list-single", "list-multi"]
_ANYONE_OR_MODERATORS = (("Anyone", "anyone"), ("Moderators", "moderators"))
_PRIVATE_MESSAGES = (
    ("Anyone", "anyone"),
    ("Participants", "participants"),
    ("Moderators", "moderators"),
    ("Nobody", "none"),
)
_ROLES = (("Moderator", "moderator"), ("Participant", "participant"), ("Visitor", "visitor"))
_EVERY_ROLE = tuple(value for _, value in _ROLES)


def _field(default: Any, var: str, type_: Type, label: str, options: tuple[tuple[str, str], ...] = ()) -> Any:
    name = var if "#" in var else f"muc#roomconfig_{var}"
    metadata = {"var": name, "type": type_, "label": label, "options": options}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """The registered fields (§15.5.3) that mean something here; other fields of a form are passed over.

    The defaults suit colleagues: the room lasts, everybody sees who is in it, its messages are archived.
    """

    name: str = _field("", "roomname", "text-single", "Name")
    description: str = _field("", "roomdesc", "text-single", "Description")
    is_persistent: bool = _field(True, "persistentroom", "boolean", "Keep the room when nobody is in it")
    is_public: bool = _field(True, "publicroom", "boolean", "Show the room in the list of rooms")
    members_only: bool = _field(False, "membersonly", "boolean", "Let members in only")
    is_moderated: bool = _field(False, "moderatedroom", "boolean", "Who has no voice can only read")
    has_password: bool = _field(False, "passwordprotectedroom", "boolean", "Ask for a password")
    password: str = _field("", "roomsecret", "text-private", "Password")
    whois: str = _field("anyone", "whois", "list-single", "Who sees real addresses", _ANYONE_OR_MODERATORS)
    change_subject: bool = _field(False, "changesubject", "boolean", "Participants may change the subject")
    allow_invites: bool = _field(True, "allowinvites", "boolean", "Members may invite")
    private_messages: str = _field(
        "anyone", "allowpm", "list-single", "Who may send private messages", _PRIVATE_MESSAGES
    )
    is_archived: bool = _field(True, "enablelogging", "boolean", "Archive messages")
    max_users: int = _field(0, "maxusers", "text-single", "Most people at a time (0: the server's limit)")

    presence_broadcast: tuple[str, ...] = _field(
        _EVERY_ROLE, "presencebroadcast", "list-multi", "Roles whose presence is shown", _ROLES
    )
    member_list: tuple[str, ...] = _field(
        _EVERY_ROLE, "getmemberlist", "list-multi", "Roles that may see the list of members", _ROLES
    )
    allow_voice_requests: bool = _field(
        True, "allowvoicerequests", "boolean", "Who has no voice may ask for it"
    )
    lang: str = _field("", "lang", "text-single", "Language")
    pubsub: str = _field("", "pubsub", "text-single", "Publish-subscribe node that belongs to the room")
    history: int = _field(
        -1, "muc#maxhistoryfetch", "text-single", "Most messages of history (empty: the server's limit)"
    )

    avatars: tuple[str, ...] = ()  # XEP-0486, set with the picture: SHA-1 of each

    @property
    def is_non_anonymous(self) -> bool:
        """§4.2: everybody sees real addresses."""
        return self.whois == "anyone"

    def to_data(self) -> dict[str, Any]:
        """What is kept: only what differs from the defaults."""
        default = RoomConfig()
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != getattr(default, field.name)
        }


# COMPAT Gajim, Dino: made for prosody, they say what its forms do.
_OTHER_NAMES = {"muc#roomconfig_enablelogging": "muc#roomconfig_enablearchiving"}
# Those of the form.
_FIELDS = tuple(field for field in dataclasses.fields(RoomConfig) if field.metadata)


def from_data(data: Mapping[str, Any]) -> RoomConfig:
    """The inverse of RoomConfig.to_data."""
    known = {field.name for field in dataclasses.fields(RoomConfig)}
    values: dict[str, Any] = {name: value for name, value in data.items() if name in known}
    for name, value in values.items():
        if isinstance(value, list):  # JSON has no tuples
            values[name] = tuple(value)
    return RoomConfig(**values)


def serialise(config: RoomConfig, title: str, more: Iterable[Field] = ()) -> bytes:
    """§10.1.3, §10.2: the form with the present values, and what is configured beside them."""
    fields = [
        Field(
            field.metadata["var"],
            field.metadata["type"],
            field.metadata["label"],
            _values(getattr(config, field.name)),
            field.metadata["options"],
        )
        for field in _FIELDS
    ]
    return forms.form(FORM_TYPE, [*fields, *more], title=title)


def parse(config: RoomConfig, submitted: Mapping[str, tuple[str, ...]]) -> RoomConfig:
    """The configuration after a submitted form; what the form leaves out stays. `not-acceptable`."""
    changes: dict[str, Any] = {}
    for field in _FIELDS:
        var = field.metadata["var"]
        values = submitted.get(var, submitted.get(_OTHER_NAMES.get(var, "")))
        if values is not None:
            changes[field.name] = _parse_values(field, values)
    changed = dataclasses.replace(config, **changes)
    if changed.has_password and not changed.password:
        raise StanzaError("not-acceptable", "a password-protected room needs a password")
    return changed


def _values(value: bool | int | str | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(value, bool):
        return forms.boolean(value)
    if isinstance(value, tuple):
        return value
    return ("" if value == -1 else str(value),)


def _parse_values(
    field: dataclasses.Field[Any], values: tuple[str, ...]
) -> bool | int | str | tuple[str, ...]:
    if field.metadata["type"] != "list-multi":
        return _parse_value(field, values[0].strip() if values else "")
    options = [value for _, value in field.metadata["options"]]
    if not set(values) <= set(options):
        raise StanzaError("not-acceptable", f"{field.metadata['var']} has no such option")
    return tuple(option for option in options if option in values)


def _parse_value(field: dataclasses.Field[Any], text: str) -> bool | int | str:
    var, kind = field.metadata["var"], field.metadata["type"]
    if kind == "boolean":
        if text not in ("0", "1", "true", "false"):  # XEP-0004 §3.3
            raise StanzaError("not-acceptable", f"{var} is 0 or 1")
        return text in ("1", "true")
    if field.type == "int":
        if not text.isascii() or not text.isdecimal() or len(text) > 6:
            # "none" is the registered value for no limit (§15.5.3)
            if text in ("", "none"):
                return -1 if field.name == "history" else 0
            raise StanzaError("not-acceptable", f"{var} is a number")
        return int(text)
    if kind == "list-single" and text not in {value for _, value in field.metadata["options"]}:
        raise StanzaError("not-acceptable", f"{var} has no such option")
    if len(text) > TEXT_LIMIT:
        raise StanzaError("not-acceptable", f"{var} is longer than {TEXT_LIMIT} characters")
    return text
