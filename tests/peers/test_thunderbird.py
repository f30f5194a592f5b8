# SPDX-License-Identifier: Apache-2.0
"""Thunderbird, from an address and a password alone: is set up, reads, sends, moves, searches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from armgs_server.storage.items import Flags
from tests.formats.mail_samples import PLAIN
from tests.peers.test_imap_clients import Debian, Mailboxes
from tests.thunderbird import PACKAGES, Thunderbird
from tests.world import IVANOV, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer

SET_UP = """
    const [address, name, password] = args;
    const load = path => ChromeUtils.importESModule("resource:///modules/accountcreation/" + path);
    const { FindConfig } = load("FindConfig.sys.mjs");
    const { AccountConfig } = load("AccountConfig.sys.mjs");
    const { ConfigVerifier } = load("ConfigVerifier.sys.mjs");
    const { CreateInBackend } = load("CreateInBackend.sys.mjs");
    const signal = new AbortController().signal;
    const search = FindConfig.parallelAutoDiscovery(address.split("@")[1], address, signal, password);
    const config = (await search.next()).value;
    AccountConfig.replaceVariables(config, name, address, password);
    await new ConfigVerifier(null, signal).verifyConfig(config, false);
    config.rememberPassword = true;
    const account = await CreateInBackend.createAccountInBackend(config);
    return [config.incoming.type, config.incoming.port, config.outgoing.port, account.key];
"""
# What the scripts below share: the account, its folders, and waiting for what Thunderbird does by itself.
COMMON = """
    const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
    const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
    const account = MailServices.accounts.accounts.find(each => each.incomingServer.type == "imap");
    const root = account.incomingServer.rootFolder;
    const until = async condition => {
        for (;;) {
            const found = condition();
            if (found) return found;
            await new Promise(done => setTimeout(done, 100));
        }
    };
    const named = name => root.subFolders.find(each => each.name == name);
    const headers = folder => Array.from(folder.messages);
    const message = async (folder, subject) => {
        folder.updateFolder(null);
        return await until(() => headers(folder).find(each => each.mime2DecodedSubject == subject));
    };
    const inbox = await until(() => root.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox));
"""
READ = (
    COMMON
    + """
    const { MsgHdrToMimeMessage } =
        ChromeUtils.importESModule("resource:///modules/gloda/MimeMessage.sys.mjs");
    const found = await message(inbox, args[0]);
    inbox.markMessagesRead([found], true);
    const whole = await new Promise(done =>
        MsgHdrToMimeMessage(found, null, (header, mime) => done(mime), true));
    return whole.coerceBodyToPlaintext(inbox);
"""
)
SEND = (
    COMMON
    + """
    const [to, subject, text] = args;
    const identity = account.defaultIdentity;
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    fields.from = identity.email;
    fields.to = to;
    fields.subject = subject;
    fields.body = text;
    const parameters =
        Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
    parameters.composeFields = fields;
    parameters.identity = identity;
    parameters.format = Ci.nsIMsgCompFormat.PlainText;
    const composition = MailServices.compose.initCompose(parameters);
    const sent = new Promise((resolve, reject) => composition.addMsgSendListener({
        onStartSending() {}, onProgress() {}, onStatus() {}, onSendNotPerformed() {},
        onGetDraftFolderURI() {}, onTransportSecurityError() {},
        onStopSending(id, status) {
            Components.isSuccessCode(status) ? resolve() : reject(new Error("send " + status));
        },
    }));
    composition.sendMsg(Ci.nsIMsgCompDeliverMode.Now, identity, account.key, null, null);
    await sent;
"""
)
MOVE = (
    COMMON
    + """
    const [subject, name] = args;
    root.createSubfolder(name, null);
    const target = await until(() => named(name));
    const found = await message(inbox, subject);
    await new Promise((resolve, reject) => MailServices.copy.copyMessages(inbox, [found], target, true, {
        onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
        onStopCopy(status) {
            Components.isSuccessCode(status) ? resolve() : reject(new Error("move " + status));
        },
    }, null, false));
"""
)
SEARCH = (
    COMMON
    + """
    const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
    session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, inbox);
    const term = session.createTerm();
    const value = term.value;
    value.attrib = Ci.nsMsgSearchAttrib.Body;
    value.str = args[0];
    term.value = value;
    term.attrib = Ci.nsMsgSearchAttrib.Body;
    term.op = Ci.nsMsgSearchOp.Contains;
    term.booleanAnd = false;
    session.appendTerm(term);
    const hits = [];
    await new Promise(resolve => {
        session.registerListener({
            onSearchHit(header) { hits.push(header.mime2DecodedSubject); },
            onSearchDone() { resolve(); },
            onNewSearch() {},
        }, Ci.nsIMsgSearchSession.allNotifications);
        session.search(null);
    });
    return hits;
"""
)
FOLDERS = (
    COMMON
    + """
    return ["SentMail", "Drafts", "Trash", "Junk", "Archive"].map(
        use => root.getFolderWithFlags(Ci.nsMsgFolderFlags[use])
            ?.QueryInterface(Ci.nsIMsgImapMailFolder).onlineName || "");
"""
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        yield world


async def test_thunderbird_sets_itself_up_and_works(world: World, debian: Debian, tmp_path: Path) -> None:
    debian(*PACKAGES)
    ivanov, petrova = await Mailboxes.of(world, IVANOV), await Mailboxes.of(world, PETROVA)
    reports = [
        PLAIN.replace(b"Hello", b"Report %d" % number).replace(
            b"\r\n\r\n", b"\r\n\r\nparagraph %d\r\n" % number
        )
        for number in (1, 2)
    ]
    subjects = [f"Report {number}" for number in (1, 2)]
    await ivanov.add("INBOX", *reports)
    async with Thunderbird(tmp_path / "thunderbird", world.ports["http"], world.ca) as thunderbird:
        found = await thunderbird.run(SET_UP, IVANOV, "Иванов Иван", PASSWORD)
        assert found[0] == "imap"
        assert found[1] == world.ports["imaps"]
        assert found[2] in (world.ports["submissions"], world.ports["submission"])

        assert "paragraph 1" in await thunderbird.run(READ, subjects[0])
        async with asyncio.timeout(30):
            while not (await ivanov.items("INBOX"))[0].flags & Flags.SEEN:
                await asyncio.sleep(0.1)
        assert not (await ivanov.items("INBOX"))[1].flags & Flags.SEEN

        await thunderbird.run(SEND, PETROVA, "Привет из Thunderbird", "Добрый день\r\n")
        (received,) = await petrova.messages("INBOX")
        subject = message_from_bytes(received, policy=policy.default)["Subject"]
        assert subject == "Привет из Thunderbird"
        async with asyncio.timeout(30):  # the copy is put into Sent afterwards
            while not await ivanov.items("Sent"):
                await asyncio.sleep(0.1)

        assert await thunderbird.run(SEARCH, "paragraph 2") == subjects[1:]
        await thunderbird.run(MOVE, subjects[1], "Отчёты")
        assert len(await ivanov.items("Отчёты")) == 1
        assert len(await ivanov.items("INBOX")) == 1
        assert await thunderbird.run(FOLDERS) == ["Sent", "Drafts", "Trash", "Junk", "Archive"]

        # what comes while it waits shows by itself
        await petrova.add("INBOX", reports[0])
        await ivanov.add("INBOX", PLAIN.replace(b"Hello", b"Report 3"))
        assert "paragraph" not in await thunderbird.run(READ, "Report 3")
