// SPDX-License-Identifier: Apache-2.0
// Asks the browser for a security key or passkey (Web Authentication Level 3, §5.1.3 and §5.1.4).
//
// A form with data-webauthn ("get" or "create") has the question in data-options, and is shown where the
// browser can put it: at the origin that keys are bound to. The answer goes into its field "answer".
"use strict";

(() => {
  const loaded = Date.now();

  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));

  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");

  const question = (options) => {
    const decoded = { ...options, challenge: bytes(options.challenge) };
    for (const name of ["allowCredentials", "excludeCredentials"]) {
      if (options[name]) decoded[name] = options[name].map((each) => ({ ...each, id: bytes(each.id) }));
    }
    if (options.user) decoded.user = { ...options.user, id: bytes(options.user.id) };
    return decoded;
  };

  // RegistrationResponseJSON and AuthenticationResponseJSON (§5.1): not every browser has toJSON().
  const answer = (credential) => {
    const given = credential.response;
    const response = { clientDataJSON: text(given.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (given[name]) response[name] = text(given[name]);
    }
    if (given.getTransports) response.transports = given.getTransports();
    return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
  };

  const begin = async (form) => {
    const options = JSON.parse(form.dataset.options);
    if (Date.now() - loaded > options.timeout) {
      location.replace(location.pathname + location.search); // the question is over: the page has a new one
      return;
    }
    const failed = form.querySelector("[role=alert]");
    failed.hidden = true;
    try {
      const publicKey = question(options);
      const credential = await navigator.credentials[form.dataset.webauthn]({ publicKey });
      form.elements.answer.value = JSON.stringify(answer(credential));
    } catch {
      failed.hidden = false; // given up by the person, or no such key here: browsers do not say which
      return;
    }
    form.submit();
  };

  for (const form of document.querySelectorAll("form[data-webauthn]")) {
    if (!window.PublicKeyCredential || form.dataset.origin !== location.origin) continue;
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      begin(form);
    });
  }
  for (const note of document.querySelectorAll("[data-webauthn-missing]")) {
    note.hidden = document.querySelector("form[data-webauthn]:not([hidden])") !== null;
  }
})();
