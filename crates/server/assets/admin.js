// What the pages cannot do without a script: copying a password, and forgetting it again.
"use strict";
(() => {
  // A copied password is taken out of the clipboard, and a shown one off the screen, after so long.
  const CLEAR_MS = 30_000;
  const HIDE_MS = 120_000;

  function say(button, text) {
    const place = button.closest(".secret").querySelector("[data-said]");
    if (place) place.textContent = text;
  }

  async function copy(button) {
    const secret = button.closest(".secret").querySelector("[data-secret]").textContent;
    try {
      await navigator.clipboard.writeText(secret);
    } catch {
      say(button, "The browser does not allow it: select the password and copy it.");
      return;
    }
    let left = CLEAR_MS / 1000;
    say(button, `Copied. The clipboard is cleared in ${left} s.`);
    const clock = setInterval(async () => {
      left -= 1;
      if (left > 0) {
        say(button, `Copied. The clipboard is cleared in ${left} s.`);
        return;
      }
      clearInterval(clock);
      try {
        await navigator.clipboard.writeText("");
        say(button, "The clipboard is cleared.");
      } catch {
        say(button, "The clipboard could not be cleared: the window is not in front. Copy something else.");
      }
    }, 1000);
  }

  function prepare(root) {
    for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
    const panel = root.querySelector("#password-panel [data-secret]") || (root.matches && root.matches("#password-panel") && root.querySelector("[data-secret]"));
    if (panel) setTimeout(() => { if (panel.isConnected) location.replace(location.pathname.replace(/\/password$/, "")); }, HIDE_MS);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  // What was exchanged is read out and reached by the keyboard.
  document.addEventListener("htmx:afterSwap", (event) => {
    prepare(document.body);
    const panel = event.detail.elt && event.detail.elt.id === "password-panel" ? event.detail.elt : null;
    const secret = panel && panel.querySelector("[data-secret]");
    if (secret) secret.focus({ preventScroll: false });
  });
  // An answer that is an error page takes the place of the page.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const status = event.detail.xhr.status;
    // A form that was not complete comes back in its own place.
    if (status === 422) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
      return;
    }
    if (status >= 400 && event.detail.xhr.getResponseHeader("content-type")?.startsWith("text/html")) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
      event.detail.target = document.body;
      event.detail.swapOverride = "innerHTML";
    }
  });
  // A page that the browser kept must not show a password again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && document.querySelector("[data-secret]")) location.reload();
  });
  // A document of a policy is read into the form; it is sent with it, as if it were typed.
  const reader = document.querySelector("[data-read-file]");
  if (reader) {
    const FILE_BYTES_MAX = 60 * 1024;
    reader.hidden = false;
    reader.querySelector("input").addEventListener("change", async (event) => {
      const [file] = event.target.files, said = reader.querySelector("[data-said]");
      if (!file) return;
      if (file.size > FILE_BYTES_MAX) {
        said.textContent = "The file is larger than 60 kB: that is no policy.";
        return;
      }
      document.getElementById("document").value = await file.text();
      const name = document.getElementById("name");
      if (name && !name.value) name.value = file.name.replace(/\.[^.]*$/, "");
      said.textContent = `${file.name} was read. Nothing is sent yet.`;
    });
  }
  // Passkeys: bytes travel as base64url.
  const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const toText = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  async function post(path, body, token) {
    const headers = { "content-type": "application/json" };
    if (token) headers["lapwing-form-token"] = token;
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin" });
    if (!answer.ok) throw new Error("refused");
    return answer.json();
  }

  async function register(form) {
    const token = form.elements.form_token.value, place = form.dataset.passkeyRegister;
    const { ticket, options } = await post(`${place}/begin`, {}, token);
    const asked = options.publicKey;
    asked.challenge = toBytes(asked.challenge);
    asked.user.id = toBytes(asked.user.id);
    for (const known of asked.excludeCredentials || []) known.id = toBytes(known.id);
    const made = await navigator.credentials.create({ publicKey: asked });
    const credential = {
      id: made.id, rawId: toText(made.rawId), type: made.type, extensions: {},
      response: { attestationObject: toText(made.response.attestationObject), clientDataJSON: toText(made.response.clientDataJSON) },
    };
    await post(place, { ticket, name: form.elements.name.value, credential }, token);
    location.reload();
  }

  async function signIn(button) {
    const fields = button.form.elements;
    const { ticket, options } = await post("/v1.0/lapwing/passkeys/begin", { userName: fields.user_name.value });
    const asked = options.publicKey;
    asked.challenge = toBytes(asked.challenge);
    for (const known of asked.allowCredentials || []) known.id = toBytes(known.id);
    const said = await navigator.credentials.get({ publicKey: asked });
    const credential = {
      id: said.id, rawId: toText(said.rawId), type: said.type, extensions: {},
      response: {
        authenticatorData: toText(said.response.authenticatorData), clientDataJSON: toText(said.response.clientDataJSON),
        signature: toText(said.response.signature), userHandle: said.response.userHandle && toText(said.response.userHandle),
      },
    };
    const { next } = await post("/admin/sign-in/passkey", { ticket, credential, next: fields.next.value });
    location.assign(next);
  }

  const passkeys = Boolean(window.PublicKeyCredential);
  const button = document.querySelector("[data-passkey-sign-in]");
  if (button && passkeys) {
    button.hidden = false;
    button.addEventListener("click", () => {
      if (!button.form.elements.user_name.reportValidity()) return;
      signIn(button).catch(() => { button.form.querySelector("[data-said]").textContent = "That did not work. Try again, or sign in with your password."; });
    });
  }
  const registration = document.querySelector("[data-passkey-register]");
  if (registration && passkeys) {
    registration.hidden = false;
    registration.addEventListener("submit", (event) => {
      event.preventDefault();
      register(registration).catch(() => { registration.querySelector("[data-said]").textContent = "That did not work. Try again."; });
    });
  }
  prepare(document.body);
})();
