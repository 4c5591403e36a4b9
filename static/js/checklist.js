// The checklist by keyboard: Y, N, A answer and move on; C comments; J and K move; U goes to the next open one; V presents.
(() => {
  "use strict";
  const items = () => [...document.querySelectorAll("[data-item]")];
  const typing = (el) => el.matches("textarea, select, input:not([type=radio])");
  const current = () => items().findIndex((item) => item.querySelector(".cl.cur"));

  function go(item) {
    if (!item) return;
    document.querySelectorAll(".cl.cur").forEach((row) => row.classList.remove("cur"));
    item.querySelector(".cl").classList.add("cur");
    item.scrollIntoView({ block: "center" });
    const radio = item.querySelector("input:checked, input[type=radio], textarea, input:not([type=hidden])");
    if (radio) radio.focus({ preventScroll: true });
  }

  function open() {
    const all = items();
    const isOpen = (item) => item.querySelector("input[type=radio]") && !item.querySelector("input:checked");
    return all.slice(current() + 1).find(isOpen) || all.find(isOpen);
  }

  document.addEventListener("focusin", (event) => {
    const item = event.target.closest("[data-item]");
    if (!item) return;
    document.querySelectorAll(".cl.cur").forEach((row) => row.classList.remove("cur"));
    item.querySelector(".cl").classList.add("cur");
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-next-open]")) return;
    event.preventDefault();
    go(open());
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const key = event.key.toLowerCase();
    const all = items();
    const at = current();
    const answer = { y: "yes", n: "no", a: "na" }[key];
    if (answer && at >= 0) {
      const radio = all[at].querySelector(`input[value=${answer}]`);
      if (radio && !radio.disabled) radio.click();
      go(all[at + 1]);
    } else if (key === "j") go(all[at + 1]);
    else if (key === "k") go(all[Math.max(0, at - 1)]);
    else if (key === "u") go(open());
    else if (key === "v") { const link = document.querySelector("[data-presents]"); if (link) link.click(); }
    else if (key === "c" && at >= 0) {
      event.preventDefault();
      const more = all[at].querySelector("details");
      if (more) more.open = true;
      all[at].querySelector("textarea").focus();
    }
  });
})();
