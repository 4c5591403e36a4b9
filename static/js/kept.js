// What was typed into one step and not saved yet outlives the saving of another, which swaps the whole page.
(() => {
  "use strict";
  const ticked = (field) => field.type === "radio" || field.type === "checkbox";
  const changed = (field) => {
    if (ticked(field)) return field.checked !== field.defaultChecked;
    if (field.options) return field.value !== ([...field.options].find((one) => one.defaultSelected) || field.options[0]).value;
    return field.value !== field.defaultValue;
  };
  const fields = () =>
    [...document.querySelectorAll(".step-form")]
      .flatMap((form) => [...form.elements])
      .filter((field) => field.name && field.type !== "hidden");
  const key = (field) => [field.form.getAttribute("action"), field.name, ticked(field) ? field.value : ""].join("|");
  let kept = new Map();

  document.addEventListener("htmx:beforeSwap", (event) => {
    const saved = event.detail.requestConfig.elt.closest("form");
    const others = fields().filter((field) => field.form !== saved && changed(field));
    kept = new Map(others.map((field) => [key(field), ticked(field) ? field.checked : field.value]));
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const field of fields()) {
      if (!kept.has(key(field))) continue;
      if (ticked(field)) field.checked = kept.get(key(field));
      else field.value = kept.get(key(field));
      const folded = field.closest("details");
      if (folded) folded.open = true;
    }
    kept.clear();
  });
})();
