# SPDX-License-Identifier: Apache-2.0
"""A vCard in the other version: 3.0 (RFC 2426) to 4.0 (RFC 6350) and back. Pure.

RFC 6352 §5.1.1 lets a client ask for either. What both versions say differently is written anew; all else,
extensions included, is carried over as it is, so converting there and back loses nothing that matters to a
client: kinds (KIND, X-ADDRESSBOOKSERVER-KIND), members, preferred entries, pictures in the card, dates.
"""

from __future__ import annotations

import re

from armgs_server.formats.contentline import ContentLine, escape, parameters, scan, serialise, unescape

# Binary values in the card: a property with ENCODING=b in 3.0, a data: URI in 4.0.
_BINARY = {"PHOTO": "image", "LOGO": "image", "SOUND": "audio", "KEY": "application"}
_DATA_URI = re.compile(r"data:([\w.+-]+)/([\w.+-]+)((?:;[^;,]*)*?);base64,(.*)\Z", re.DOTALL | re.IGNORECASE)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)\Z")
_BASIC_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)\Z")
_TIMESTAMP = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?\Z")
# What 3.0 has only as an extension of Apple's, and 4.0 of its own.
_NAMES_OF_4 = {
    "X-ADDRESSBOOKSERVER-KIND": "KIND",
    "X-ADDRESSBOOKSERVER-MEMBER": "MEMBER",
    "X-ANNIVERSARY": "ANNIVERSARY",
    "X-GENDER": "GENDER",
}
_NAMES_OF_3 = {name: own for own, name in _NAMES_OF_4.items()}
_DATES = ("BDAY", "ANNIVERSARY", "X-ANNIVERSARY")
# Types of 2.1 and 3.0 that have no meaning in 4.0 (RFC 6350 §A.1).
_FORGOTTEN = frozenset(("pref", "internet", "x400"))
_ONLY_OF_3 = frozenset(("ENCODING", "CHARSET"))
_ONLY_OF_4 = frozenset(("PREF", "MEDIATYPE", "ALTID", "PID", "SORT-AS", "GEO", "TZ", "CALSCALE"))


def convert(data: bytes, version: str) -> bytes:
    """The card in the version asked for; as it is where it is in that one already. Invalid."""
    lines = scan(data)
    present = next((line[2].strip() for line in lines if line[0] == "VERSION"), "")
    if present == version:
        return data
    change = _to_4 if version == "4.0" else _to_3
    made: list[ContentLine] = []
    for line in lines:
        if line[0] != "VERSION":
            made += change(line)
        if line[0] == "BEGIN":
            made.append(("VERSION", "", version))  # RFC 6350 §6.7.9: right behind BEGIN
    if version == "3.0" and not any(_bare(line[0]) == "N" for line in made):
        made.insert(-1, ("N", "", _name_of(made)))  # RFC 2426 §3.1.2: it must be there
    return serialise(made)


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


def _renamed(name: str, names: dict[str, str]) -> str:
    group, dot, bare = name.rpartition(".")
    return f"{group}{dot}{names.get(bare, bare)}"


def _to_4(line: ContentLine) -> list[ContentLine]:
    name, given, value = line
    bare, params = _bare(name), parameters(given)
    types = [each.lower() for each in params.pop("TYPE", [])]
    encoding = "".join(params.get("ENCODING", [])).lower()
    params = {key: values for key, values in params.items() if key not in _ONLY_OF_3}
    if bare in _BINARY and encoding in ("b", "base64"):
        kind = types[0] if types else "octet-stream"
        params.pop("VALUE", None)
        return [(name, _serialise(params), f"data:{_BINARY[bare]}/{kind};base64,{''.join(value.split())}")]
    if "pref" in types:
        params["PREF"] = ["1"]
    kept = [each for each in types if each not in _FORGOTTEN]
    if kept:
        params["TYPE"] = kept
    if bare in _DATES or bare == "REV":
        value = _basic(value)
    elif bare == "GEO" and ";" in value:  # RFC 6350 §6.5.2: a URI
        value = f"geo:{value.strip().replace(';', ',')}"
    elif bare in ("AGENT", "MAILER", "CLASS", "PROFILE", "NAME"):
        return [(f"X-{bare}", given, value)]  # RFC 6350 §A.1: not in 4.0
    return [(_renamed(name, _NAMES_OF_4), _serialise(params), value)]


def _to_3(line: ContentLine) -> list[ContentLine]:
    name, given, value = line
    bare, params = _bare(name), parameters(given)
    types = params.pop("TYPE", [])
    if "PREF" in params and params["PREF"][:1] == ["1"]:
        types.append("PREF")
    params = {key: values for key, values in params.items() if key not in _ONLY_OF_4}
    picture = _DATA_URI.match(value) if bare in _BINARY else None
    if picture is not None:
        return [(name, f";ENCODING=b;TYPE={picture[2].upper()}", "".join(picture[4].split()))]
    if bare == "TEL" and params.get("VALUE") == ["uri"]:
        del params["VALUE"]
        value = value.removeprefix("tel:")
    elif bare in _BINARY and "VALUE" not in params and "://" in value:
        params["VALUE"] = ["uri"]  # RFC 2426 §3.1.4: the default is bytes
    elif bare in _DATES or bare == "REV":
        value = _extended(value)
    elif bare == "GEO" and value.lower().startswith("geo:"):
        value = value[4:].partition(";")[0].replace(",", ";")
    if types:
        params["TYPE"] = types
    if bare.startswith("X-") and bare[2:] in ("AGENT", "MAILER", "CLASS", "PROFILE", "NAME"):
        return [(bare[2:], _serialise(params), value)]
    return [(_renamed(name, _NAMES_OF_3), _serialise(params), value)]


def _serialise(params: dict[str, list[str]]) -> str:
    return "".join(f";{name}={','.join(map(_quoted, values))}" for name, values in params.items())


def _quoted(value: str) -> str:
    escaped = value.replace("^", "^^").replace("\n", "^n").replace('"', "^'")  # RFC 6868 §3.1
    return f'"{escaped}"' if re.search(r"[,;:]", escaped) else escaped


def _basic(value: str) -> str:
    """RFC 6350 §4.3: dates without hyphens; one without a year stays as it is."""
    if match := _DATE.match(value.strip()):
        return "".join(match.groups())
    if match := _TIMESTAMP.match(value.strip()):
        return f"{match[1]}{match[2]}{match[3]}T{match[4]}{match[5]}{match[6]}{match[7] or ''}"
    return value


def _extended(value: str) -> str:
    """RFC 2426 §3.1.5: with hyphens, which every reader of 3.0 takes."""
    if match := _BASIC_DATE.match(value.strip()):
        return "-".join(match.groups())
    if match := _TIMESTAMP.match(value.strip()):
        return f"{match[1]}-{match[2]}-{match[3]}T{match[4]}:{match[5]}:{match[6]}{match[7] or ''}"
    return value


def _name_of(lines: list[ContentLine]) -> str:
    """N from FN: what stands there is all that is known."""
    fn = next((line[2] for line in lines if _bare(line[0]) == "FN"), "")
    return f"{escape(unescape(fn))};;;;"
