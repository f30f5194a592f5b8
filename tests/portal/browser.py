# SPDX-License-Identifier: Apache-2.0
"""A browser without script: keeps cookies, follows redirections, fills in and sends forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from tests.portal.client import Answer, get
from tests.world import PASSWORD, World


@dataclass(slots=True)
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    """The forms of a page, with what their fields hold."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside: Form | None = None
        self._select = ""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._inside)
        if self._inside is None:
            return
        name = given.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in given or self._select not in self._inside.fields:
                self._inside.fields[self._select] = given.get("value", "")
        elif tag == "textarea":
            self._text = name
            self._inside.fields[name] = ""
        elif tag == "button" and name:
            self._inside.buttons.append((name, given.get("value", "")))
        elif tag == "input" and name:
            is_choice = given.get("type") in ("checkbox", "radio")
            if not is_choice or "checked" in given:
                self._inside.fields[name] = given.get("value", "on" if is_choice else "")

    def handle_data(self, data: str) -> None:
        if self._text and self._inside is not None:
            self._inside.fields[self._text] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._text = ""


class Browser:
    """One browser of one person; `page` is what it shows, `path` where it is."""

    def __init__(self, world: World, language: str = "en", *, secure: bool = True) -> None:
        self._world = world
        self._secure = secure
        self._headers = {"Accept-Language": language, "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Test/1"}
        self.cookies: dict[str, str] = {}
        self.page: Answer | None = None
        self.path = "/"

    @property
    def origin(self) -> str:
        return "https://localhost" if self._secure else "http://localhost"

    @property
    def text(self) -> str:
        assert self.page is not None
        return self.page.text

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return await self._ask("GET", path, headers or {})

    async def post(
        self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """What a form would send, whatever the page shows."""
        own = {"Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return await self._ask("POST", path, own, urlencode(fields).encode() or b"x=")

    def form(self, action: str, **having: str) -> Form:
        """The form of the page that goes there, and has a field or button with these values."""
        parser = _Forms()
        parser.feed(self.text)
        for form in parser.forms:
            known = {*form.fields.items(), *form.buttons}
            if urlsplit(urljoin(self.path, form.action)).path == action and known >= {*having.items()}:
                return form
        raise AssertionError(f"no form for {action} with {having} among {parser.forms}")

    async def submit(self, action: str, having: Mapping[str, str] | None = None, **fields: str) -> Answer:
        """Fills the form in and sends it; `having` says which of several, and the button that is pressed."""
        form = self.form(action, **(having or {}))
        filled = {**form.fields, **(having or {}), **fields}
        if form.method == "get":
            return await self.get(f"{form.action}?{urlencode(filled)}")
        return await self.post(form.action or self.path, filled)

    async def sign_in(self, address: str, password: str = PASSWORD, target: str = "") -> Answer:
        await self.get(f"/signin?{urlencode({'next': target})}" if target else "/signin")
        return await self.submit("/signin", address=address, password=password)

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        for _ in range(6):
            own = {**self._headers, **headers}
            if self.cookies:
                own["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            self.page = answer = await get(
                self._world, path, own, secure=self._secure, method=method, body=body
            )
            self.path = urlsplit(path).path
            self._keep(answer)
            target = answer.headers.get("location")
            # Where a redirection leads away from here, a test looks at it.
            if answer.status not in (302, 303) or target is None or urlsplit(target).scheme:
                return answer
            path, method, headers, body = urljoin(path, target), "GET", {}, b""
        raise AssertionError(f"redirected for ever to {path}")

    def _keep(self, answer: Answer) -> None:
        for cookie in answer.cookies:
            pair, _, attributes = cookie.partition("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
