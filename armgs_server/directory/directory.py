# SPDX-License-Identifier: Apache-2.0
"""Directory: the one place that knows people, groups and the tree they stand in, and lets them in.

Each change is one transaction; when the method returns it is durable and this process sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from armgs_server.config import Config
from armgs_server.directory import lookup, people, posts, structure
from armgs_server.directory.access import Access
from armgs_server.directory.auth import Auth
from armgs_server.directory.finder import Finder
from armgs_server.directory.forms import Forms
from armgs_server.directory.index import Index
from armgs_server.directory.invitations import Invitations
from armgs_server.directory.model import TOPIC, TOPIC_DOMAINS, Principal, check_address
from armgs_server.directory.new_passwords import NewPasswords
from armgs_server.directory.people import Change, Credential
from armgs_server.directory.statuses import Statuses
from armgs_server.errors import NotFound
from armgs_server.storage import Store
from armgs_server.storage.bus import RemoteBus
from armgs_server.storage.tx import Tx, Work

T = TypeVar("T")

CARDS_AT_ONCE = 200  # cards rewritten in one transaction when a unit or department is renamed


class Directory(Finder):
    """Finder, and the changes. `auth` and `access` are log-in and rights over the same directory."""

    def __init__(self, store: Store, config: Config) -> None:
        super().__init__(store, config)
        self.access = Access(store, self.groups_of, config.security.directory_cache)
        self.auth = Auth(self)
        self.new_passwords = NewPasswords(self)
        self.index = Index(self)
        self.statuses = Statuses()
        self.forms = Forms(config)
        self.invitations = Invitations(self)
        if isinstance(store.bus, RemoteBus):
            store.bus.on_gap(self._on_gap)

    @classmethod
    async def open(cls, store: Store, config: Config) -> Directory:
        """The directory of a store, ready to use."""
        directory = cls(store, config)
        await directory.load_domains()
        await directory.auth.open()
        return directory

    async def close(self) -> None:
        """Stops listening and ends what runs in the background."""
        await super().close()
        self.access.close()
        self.index.close()
        await self.auth.close()

    def _on_gap(self) -> None:
        self.forget_all()
        self.access.forget_all()
        self.auth.forget_all()

    # Departments and units

    async def create_department(
        self, name: str, domains: Sequence[str], data: Mapping[str, Any] | None = None
    ) -> Principal:
        """A department; its address is its first domain."""
        made = await self._create(lambda tx: structure.create_department(tx, name, domains, data or {}))
        await self.load_domains()
        return made

    async def add_domain(self, department: Principal, domain: str) -> None:
        """Serves one more domain for a department."""
        await self._change(department.id, lambda tx: structure.add_domain(tx, department, domain))
        await self.load_domains()

    async def create_unit(
        self,
        department: int,
        name: str,
        *,
        parent: int = 0,
        address: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> Principal:
        """A unit; with an address it is a mail list of its people too."""
        return await self._create(
            lambda tx: structure.create_unit(tx, department, name, parent, address, data or {})
        )

    # People

    async def create_person(
        self,
        address: str,
        name: str = "",
        *,
        unit: int = 0,
        post: str = "",
        head: bool = False,
        password: str | None = None,
        data: Mapping[str, Any] | None = None,
        is_taken_over: bool = False,
    ) -> Principal:
        """A person; without a password nobody can log in yet. The domain says which department. A password
        that comes from another system (`is_taken_over`) need not be one that could be chosen here.
        PasswordRefused."""
        address = check_address(address)  # before the work of hashing
        credentials: Sequence[Credential] = []
        if password is not None:
            if not is_taken_over:
                await self.new_passwords.of_newcomer(address, name, password)
            credentials = await self.auth.passwords.credentials(password)
        return await self._create(
            lambda tx: people.create(
                tx,
                address,
                name,
                unit=unit,
                post=post,
                head=head,
                data=data or {},
                credentials=credentials,
                quota=self.config.limits.quota,
            )
        )

    async def set_password(self, person: int, password: str) -> None:
        """A new password; app passwords stay, sessions end (topic `kick`). PasswordRefused."""
        found = await self.by_id(person)
        if found is None:
            raise NotFound()
        history = (await self.new_passwords.of_person(found, password)).password_history
        credentials = await self.auth.passwords.credentials(password)
        await self._change(person, lambda tx: people.set_password(tx, person, credentials, history=history))

    async def add_app_password(self, person: int, name: str) -> str:
        """A password for one device, shown this once; the same name again replaces the older one."""
        password, credential = self.auth.passwords.new_app_password(person, name)

        async def work(tx: Tx) -> None:
            await lookup.existing(tx, person, "person")
            if any(each == name for each, _, _ in await people.app_passwords(tx, person)):
                await people.remove_app_password(tx, person, name)
            await people.put_credentials(tx, person, [credential])

        await self.store.write(work)
        return password

    async def remove_app_password(self, person: int, name: str) -> None:
        """Shuts one device out."""
        await self._change(person, lambda tx: people.remove_app_password(tx, person, name))

    async def app_passwords(self, person: int) -> list[tuple[str, int, int]]:
        """Name, when made, when last used (0 = never) of each app password."""
        return await self.store.read(lambda tx: people.app_passwords(tx, person))

    async def password_changed(self, person: int) -> int:
        """When the person's password was set; 0 where there is none."""
        return await self.store.read(lambda tx: people.password_changed(tx, person))

    # Groups, rooms, equipment, chat rooms

    async def create_group(
        self, address: str, name: str, members: Sequence[int] = (), data: Mapping[str, Any] | None = None
    ) -> Principal:
        """A group, which is a mail list and may be given rights. `data["senders"]`: who may send as it."""
        return await self._create(lambda tx: structure.create_group(tx, address, name, members, data or {}))

    async def add_members(self, group: Principal, members: Sequence[int]) -> None:
        """Puts people and groups into a group."""
        await self._change(group.id, lambda tx: structure.add_members(tx, group, members))

    async def remove_members(self, group: Principal, members: Sequence[int]) -> None:
        """Takes people and groups out of a group."""
        await self._change(group.id, lambda tx: structure.remove_members(tx, group, members))

    async def open_mailbox(self, group: Principal, quota: int | None = None) -> Principal:
        """Gives a group mailboxes of its own (directory.posts); the quota is that of people by default."""
        limit = self.config.limits.quota if quota is None else quota
        return await self._create(lambda tx: posts.open_mailbox(tx, group, limit))

    async def close_mailbox(self, group: Principal) -> Principal:
        """Mail to the group goes to its members again."""
        return await self._create(lambda tx: posts.close_mailbox(tx, group))

    async def set_deputies(self, group: Principal, people: Sequence[int]) -> None:
        """Who stands in for a group while none of its members can log in."""
        await self._change(group.id, lambda tx: posts.set_deputies(tx, group, people))

    async def create_room(self, address: str, name: str, capacity: int = 0, *, unit: int = 0) -> Principal:
        """A meeting room with its calendar."""
        data = {"capacity": capacity}
        return await self._create(lambda tx: structure.create_resource(tx, "room", address, name, unit, data))

    async def create_equipment(self, address: str, name: str, *, unit: int = 0) -> Principal:
        """A piece of equipment with its calendar."""
        return await self._create(
            lambda tx: structure.create_resource(tx, "equipment", address, name, unit, {})
        )

    # Everybody

    async def add_alias(self, principal: Principal, address: str) -> None:
        """One more address for a principal."""
        await self._change(principal.id, lambda tx: structure.add_alias(tx, principal, address))

    async def remove_alias(self, principal: Principal, address: str) -> None:
        """Takes an address away again."""
        await self._change(principal.id, lambda tx: structure.remove_alias(tx, principal, address))

    async def update(self, principal_id: int, change: Change) -> Principal:
        """Changes a principal; cards that show a renamed unit or department follow, some at a time."""
        changed = await self._create(lambda tx: people.update(tx, principal_id, change))
        if change.name is not None and changed.kind in ("unit", "department"):
            start: int | None = 0
            while start is not None:
                start = await self.store.write(
                    partial(people.refresh_cards, inside=changed, after=start, limit=CARDS_AT_ONCE)
                )
        return changed

    async def disable(self, principal_id: int) -> Principal:
        """Shuts somebody out; everything owned stays."""
        return await self._create(lambda tx: people.set_disabled(tx, principal_id, True))

    async def enable(self, principal_id: int) -> Principal:
        """Lets somebody in again."""
        return await self._create(lambda tx: people.set_disabled(tx, principal_id, False))

    async def delete(self, principal_id: int) -> None:
        """Removes a principal with everything it owns; Conflict where a unit or department is not empty."""
        await self._change(principal_id, lambda tx: people.delete(tx, principal_id))
        await self.load_domains()

    async def apply(self, work: Work[T]) -> T:
        """Any transaction over the directory; when it returns this process sees all that it changed."""

        async def noting(tx: Tx) -> tuple[T, list[int], bool]:
            result = await work(tx)
            touched = [int(data) for topic, data in tx.messages if topic == TOPIC]
            return result, touched, any(topic == TOPIC_DOMAINS for topic, _ in tx.messages)

        result, touched, is_served_anew = await self.store.write(noting)
        for each in dict.fromkeys(touched):
            self._forget(each)
        if is_served_anew:
            await self.load_domains()
        return result

    # The commit's hint reaches this process too, but perhaps later than the caller's next question.

    async def _create(self, work: Work[Principal]) -> Principal:
        made = await self.store.write(work)
        self._forget(made.id)
        return made

    async def _change(self, principal_id: int, work: Work[None]) -> None:
        await self.store.write(work)
        self._forget(principal_id)
