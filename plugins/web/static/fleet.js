// The front page's filter. Without this script all lines are shown.
"use strict";
(() => {
  const input = document.getElementById("filter");
  if (!input) return;
  const none = document.getElementById("no-match");
  const rows = [...document.querySelectorAll(".fleet tbody tr")].map((row) => [row, row.textContent.toLowerCase()]);
  input.closest("label").hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    none.hidden = shown > 0;
  });
})();
