// SPDX-License-Identifier: Apache-2.0
// A chat client on @xmpp/client: says what it reads on standard input, prints what it hears, a line each.
import { createInterface } from "node:readline";
import { client, xml } from "@xmpp/client";
import WebSocket from "ws";

globalThis.WebSocket ??= WebSocket; // Node.js before 22 has none of its own

const [service, domain, username, password, peer] = process.argv.slice(2);
const xmpp = client({ service, domain, username, password, resource: "node" });

xmpp.on("error", (error) => {
  console.error(String(error));
  process.exit(1);
});
xmpp.on("stanza", (stanza) => {
  if (stanza.is("message") && stanza.getChildText("body")) {
    console.log(`heard ${stanza.attrs.from} ${stanza.getChildText("body")}`);
  }
});
xmpp.on("online", async (address) => {
  await xmpp.send(xml("presence"));
  console.log(`online ${address}`);
  createInterface({ input: process.stdin })
    .on("line", (line) => xmpp.send(xml("message", { type: "chat", to: peer }, xml("body", {}, line))))
    .on("close", () => xmpp.stop().then(() => process.exit(0)));
});
await xmpp.start();
