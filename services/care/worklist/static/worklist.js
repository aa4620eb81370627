"use strict";
// Two comforts; every page works without them. Typed text is saved as a draft, and a page is cleared when its session ends.

function saveDraft(field) {
  if (field.dataset.saved === field.value) return;
  const value = field.value;
  const body = new URLSearchParams({ form_token: field.form.elements.form_token.value, form: field.dataset.draft, note: value });
  fetch("/worklist/drafts", { method: "POST", body, redirect: "error", keepalive: value.length < 15000 })
    .then((answer) => {
      if (!answer.ok) return;
      field.dataset.saved = value;
      endIn(1000 * Number(answer.headers.get("session-seconds")));
    })
    .catch(() => {});
}

for (const field of document.querySelectorAll("textarea[data-draft]")) {
  let timer = 0;
  field.dataset.saved = field.value;
  field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(saveDraft, 1500, field); });
  field.addEventListener("change", () => { clearTimeout(timer); saveDraft(field); });
}

const warning = document.getElementById("session-warning");
const timers = [];

function endIn(left) {
  timers.splice(0).forEach(clearTimeout);
  warning.hidden = true;
  timers.push(setTimeout(() => { warning.hidden = false; }, Math.max(0, left - 120000)));
  timers.push(setTimeout(() => {
    document.getElementById("main").replaceChildren();
    location.replace("/worklist");
  }, left + 2000));
}

// The difference of two times of the server: the clock of this computer does not matter.
const { sessionEnds, now } = document.body.dataset;
endIn(Date.parse(sessionEnds) - Date.parse(now));
