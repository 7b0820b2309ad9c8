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
  prepare(document.body);
})();
