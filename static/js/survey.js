// Answers are kept on this device until they are sent. Without storage the page works the same, it only forgets.
(() => {
  const key = `survey:${location.pathname}`;
  const store = (act) => { try { return act(localStorage); } catch { return null; } };
  if (document.querySelector("[data-survey-done]")) { store((kept) => kept.removeItem(key)); return; }
  const form = document.querySelector("form[data-survey]");
  if (!form) return;
  const fields = () => [...form.elements].filter((field) => field.name && field.type !== "hidden" && field.tagName !== "BUTTON");
  const restore = (said) => {
    for (const field of fields()) {
      if (!(field.name in said)) continue;
      if (field.type === "radio") field.checked = field.value === said[field.name];
      else if (!field.value) field.value = said[field.name];
      const fold = field.closest("details");
      if (fold && field.value) fold.open = true;
    }
  };
  const kept = store((place) => JSON.parse(place.getItem(key)));
  if (kept && !form.querySelector("input[type=radio]:checked")) restore(kept);
  form.addEventListener("input", () => {
    const said = {};
    for (const field of fields()) if (field.type !== "radio" || field.checked) said[field.name] = field.value;
    store((place) => place.setItem(key, JSON.stringify(said)));
  });
})();
