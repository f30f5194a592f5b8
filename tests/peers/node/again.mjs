// SPDX-License-Identifier: Apache-2.0
// @xmpp/client logs in with the password, leaves, and logs in again with the token it was given.
import { client, xml } from "@xmpp/client";

const [service, domain, username, password] = process.argv.slice(2);
const xmpp = client({ service, domain, username, password, resource: "node" });
const asked = [];

xmpp.on("error", (error) => {
  console.error(String(error));
  process.exit(1);
});
xmpp.on("send", (element) => element.is("authenticate") && asked.push(element.attrs.mechanism));
xmpp.reconnect.stop();
for (let round = 0; round < 2; round += 1) {
  const online = new Promise((resolve) => xmpp.once("online", resolve));
  await xmpp.start();
  const address = await online;
  await xmpp.send(xml("presence"));
  console.log(`${asked.at(-1)} ${address}`);
  await xmpp.stop();
}
process.exit(0);
