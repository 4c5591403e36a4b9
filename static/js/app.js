// Keyboard, theme-free: every action has a visible control; shortcuts are a faster road to it.
(() => {
  "use strict";
  const rows = () => [...document.querySelectorAll(".task")].filter((row) => row.offsetParent);
  const typing = (el) => el.matches("input, textarea, select, [contenteditable]");
  const places = { d: "/day/", a: "/accounts/", t: "/team/", o: "/outbox/" };
  let waitingForPlace = false;

  function focusRow(row) {
    document.querySelectorAll(".task.cur").forEach((other) => other.classList.remove("cur"));
    row.classList.add("cur");
    row.scrollIntoView({ block: "nearest" });
    const control = row.querySelector(".act a, .act button");
    if (control) control.focus();
  }

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.classList.contains("cur"));
    focusRow(all[Math.min(all.length - 1, Math.max(0, at + step))]);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const key = event.key.toLowerCase();
    if (waitingForPlace) {
      waitingForPlace = false;
      if (places[key]) window.location.assign(places[key]);
      return;
    }
    if (key === "j") move(1);
    else if (key === "k") move(-1);
    else if (key === "g") waitingForPlace = true;
    else if (key === "/") {
      const search = document.querySelector(".jump input");
      if (search && search.offsetParent) { event.preventDefault(); search.focus(); }
    }
  });

  // Where one saves by itself, one place on the page says how it went.
  const status = () => document.querySelector("[data-save-status]");
  const say = (text) => { const place = status(); if (place) place.textContent = text; };
  const clock = () => new Date().toLocaleTimeString("en-US", {
    hour: "numeric", minute: "2-digit", timeZone: (status() && status().dataset.zone) || undefined,
  });
  document.addEventListener("htmx:beforeRequest", () => say("Saving"));
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful && event.detail.xhr.status < 400) say(`Saved at ${clock()}`);
    else if (event.detail.xhr.status === 0) say("Not saved: no connection. Your answer stays here; try again.");
    else if (event.detail.xhr.status >= 500) say("Not saved: the server had a problem. Try again.");
    else if (event.detail.xhr.status === 401) say("Not saved: you are signed out. Copy what you typed, then sign in again.");
    else say("Not saved: see what is marked.");
  });

  // A letter as a mail program takes it: paragraphs, line breaks, links.
  function formatted(text) {
    const whole = document.createElement("div");
    for (const part of text.split(/\n{2,}/)) {
      const paragraph = whole.appendChild(document.createElement("p"));
      part.split(/(\n|https?:\/\/\S+)/).forEach((bit) => {
        const link = bit.startsWith("http");
        const piece = bit === "\n" ? "br" : link ? "a" : "";
        const node = piece ? document.createElement(piece) : document.createTextNode(bit);
        if (link) node.href = node.textContent = bit;
        paragraph.append(node);
      });
    }
    return whole.innerHTML;
  }

  function copy(text, isLetter) {
    if (!isLetter || !window.ClipboardItem) return navigator.clipboard.writeText(text);
    const as = (type, words) => new Blob([words], { type });
    const both = { "text/plain": as("text/plain", text), "text/html": as("text/html", formatted(text)) };
    return navigator.clipboard.write([new ClipboardItem(both)]);
  }

  // Copy what a field or a text holds, and say so.
  const reveal = (part) => part.querySelectorAll("[data-copies]").forEach((button) => {
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
  });
  reveal(document);
  document.addEventListener("htmx:load", (event) => reveal(event.target));
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copies), words = button.textContent;
    const next = button.dataset.then && document.getElementById(button.dataset.then);
    try {
      await copy("value" in source ? source.value : source.textContent, "letter" in button.dataset);
      button.textContent = "Copied";
      if (next) next.hidden = false;
    } catch {
      if ("value" in source) source.select(); else window.getSelection().selectAllChildren(source);
      button.textContent = "Selected: copy it by keyboard";
    }
    window.setTimeout(() => { button.textContent = words; }, 2000);
  });

  // Put a field into the text that is being written, where the cursor stands.
  let written = document.getElementById("id_body");
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("#id_subject, #id_body")) written = event.target;
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-inserts]");
    if (!button || !written) return;
    written.setRangeText(button.dataset.inserts, written.selectionStart, written.selectionEnd, "end");
    written.focus();
  });

  // One tick for all rows of the page.
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-ticks-page]")) return;
    event.target.form.querySelectorAll(".tick").forEach((tick) => { tick.checked = event.target.checked; });
  });

  // Show a password on request.
  document.querySelectorAll("[data-shows]").forEach((button) => {
    const field = document.getElementById(button.dataset.shows);
    button.hidden = false;
    button.addEventListener("click", () => {
      const hidden = field.type === "password";
      field.type = hidden ? "text" : "password";
      button.textContent = hidden ? "Hide" : "Show";
    });
  });
})();
