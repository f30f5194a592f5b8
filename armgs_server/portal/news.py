# SPDX-License-Identifier: Apache-2.0
"""/news: the news of the reader's department; who must read a post says so here.

/news?post=NUMBER      one post; for who may write, the list of who has read it
/news/new              the form for who may write
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode

from armgs_server import log
from armgs_server.directory import news
from armgs_server.directory.model import Principal
from armgs_server.errors import Denied, Invalid, NotFound
from armgs_server.net.http import Handler, Response
from armgs_server.portal.moments import moment
from armgs_server.portal.numbers import parse_number
from armgs_server.portal.pages import language_of
from armgs_server.portal.safety import see_other
from armgs_server.portal.signin import LONG_FORM_LIMIT, SignIn, Visit
from armgs_server.service import Core
from armgs_server.storage import clock
from armgs_server.storage import news as rows
from armgs_server.storage.news import Post
from armgs_server.storage.tx import Tx

PATH: Final = "/news"
NEW: Final = "/news/new"
SHOWN: Final = 20
READERS_SHOWN: Final = 1000

_log = log.get("portal")


class News:
    """The pages."""

    def __init__(self, core: Core, sign_in: SignIn) -> None:
        self._config = core.config
        self._store = core.store
        self._directory = core.directory
        self._sign_in = sign_in

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (
            (PATH, self._sign_in.people(self._answer)),
            (NEW, self._sign_in.people(self._new, limit=LONG_FORM_LIMIT)),
        )

    async def _answer(self, visit: Visit) -> Response:
        if visit.request.path != PATH:
            raise NotFound()
        department = await self._department(visit)
        asked = {name: values[0] for name, values in parse_qs(visit.request.query).items()}
        if visit.request.method == "POST":
            return await self._change(visit, department)
        if "post" in asked:
            return await self._one(visit, department, await self._post(department, asked["post"]))
        return await self._list(visit, department, parse_number(asked.get("before", "")))

    async def _change(self, visit: Visit, department: Principal) -> Response:
        """Somebody has read a post, or takes it back."""
        post = await self._post(department, visit.value("post"))
        person = visit.person
        if visit.value("remove"):
            if not await news.may_write(self._directory, person, department):
                raise Denied(visit.text("news_not_yours"))
            await news.remove(self._store, post.owner, post.id)
            _log.info("news removed", post=post.id, account=person.address)
            return see_other(PATH)
        now = clock.now()
        await self._store.write(lambda tx: rows.acknowledge(tx, post, person.id, now))
        return see_other(f"{PATH}?{urlencode({'post': post.id})}")

    async def _list(self, visit: Visit, department: Principal, before: int) -> Response:
        person = visit.person

        async def work(tx: Tx) -> tuple[list[Post], dict[int, int]]:
            return (
                await rows.page(tx, department.id, before=before, limit=SHOWN + 1),
                await rows.read_by(tx, department.id, person.id),
            )

        found, read = await self._store.read(work)
        posts = [await self._shown(visit, post, read.get(post.id, 0)) for post in found[:SHOWN]]
        return self._sign_in.render(
            "news.html",
            visit,
            posts=posts,
            may_write=await news.may_write(self._directory, person, department),
            further=found[SHOWN - 1].id if len(found) > SHOWN else 0,
            feed=f"/feed/pubsub.{quote(department.address)}/news",
            node=f"xmpp:pubsub.{quote(department.address)}?;node=news",
        )

    async def _one(self, visit: Visit, department: Principal, post: Post) -> Response:
        person, language = visit.person, language_of(visit.request)
        read = await self._store.read(lambda tx: rows.read_by(tx, post.owner, person.id))
        may_write = await news.may_write(self._directory, person, department)
        readers: list[tuple[str, str, str]] = []
        count = 0
        if may_write and post.must_read:
            everybody = await self._store.read(lambda tx: news.acquaintance(tx, post))
            count = sum(1 for _, time in everybody if time)
            readers = [
                (each.name, each.address, moment(time, language)) for each, time in everybody[:READERS_SHOWN]
            ]
        return self._sign_in.render(
            "post.html",
            visit,
            post=await self._shown(visit, post, read.get(post.id, 0)),
            may_write=may_write,
            readers=readers,
            count=count,
        )

    async def _new(self, visit: Visit) -> Response:
        if visit.request.path != NEW:
            raise NotFound()
        department = await self._department(visit)
        if not await news.may_write(self._directory, visit.person, department):
            raise Denied(visit.text("news_not_yours"))
        problem = ""
        if visit.request.method == "POST":
            title, text, must = visit.value("title"), visit.value("text"), bool(visit.value("must"))
            try:
                post = await news.write(
                    self._store, self._config, department, visit.person, title, text, must=must
                )
            except Invalid:
                problem = visit.text("news_wrong")
            else:
                _log.info("news written", post=post.id, account=visit.person.address)
                return see_other(f"{PATH}?{urlencode({'post': post.id})}")
        return self._sign_in.render(
            "news_new.html",
            visit,
            status=400 if problem else 200,
            problem=problem,
            title=visit.value("title"),
            text=visit.value("text"),
            must=bool(visit.value("must")),
            limits={"title": news.TITLE_LIMIT, "text": news.TEXT_LIMIT},
        )

    async def _department(self, visit: Visit) -> Principal:
        found = await self._directory.by_id(visit.person.department)
        if found is None:
            raise NotFound()
        return found

    async def _post(self, department: Principal, number: str) -> Post:
        post_id = parse_number(number)
        post = await self._store.read(lambda tx: rows.get(tx, department.id, post_id))
        if post is None:
            raise NotFound()
        return post

    async def _shown(self, visit: Visit, post: Post, read: int) -> dict[str, Any]:
        author = await self._directory.by_id(post.author)
        language = language_of(visit.request)
        return {
            "id": post.id,
            "title": post.title,
            "text": post.text,
            "when": moment(post.created, language),
            "author": author.name if author is not None else "",
            "must": post.must_read == 1,
            "read": moment(read, language),
        }
