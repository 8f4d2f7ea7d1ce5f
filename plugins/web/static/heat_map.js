// The heat map: a readout, arrow keys between cells, and a click that opens the report of the day.
"use strict";
(() => {
  const table = document.getElementById("heat");
  if (!table) return;
  const readout = document.getElementById("heat-readout");
  const heads = [...table.tHead.rows[0].cells];
  const scroll = document.getElementById("heat-scroll");
  scroll.scrollLeft = scroll.scrollWidth; // the newest days are on the right

  const report = (cell) => heads[cell.cellIndex].querySelector("a");
  const say = (cell) => {
    const column = cell.parentElement.cells[0].textContent;
    const more = report(cell) ? "" : " (no report)";
    readout.textContent = `${column} on ${heads[cell.cellIndex].dataset.day}: ${cell.textContent}${more}`;
  };
  const open = (cell) => report(cell)?.click();
  const reach = (cell) => {
    table.querySelector("td[tabindex='0']")?.setAttribute("tabindex", "-1");
    cell.tabIndex = 0;
  };

  for (const cell of table.querySelectorAll("tbody td")) if (report(cell)) cell.classList.add("link");
  const rows = table.tBodies[0].rows;
  reach(rows[0].cells[rows[0].cells.length - 1]);
  table.addEventListener("pointerover", (event) => event.target.closest("td") && say(event.target.closest("td")));
  table.addEventListener("focusin", (event) => event.target.matches("td") && say(event.target));
  table.addEventListener("click", (event) => event.target.closest("td") && open(event.target.closest("td")));
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    if (!cell) return;
    if (event.key === "Enter") return open(cell);
    const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] || [0, 0];
    const next = (down || right) && rows[cell.parentElement.sectionRowIndex + down]?.cells[cell.cellIndex + right];
    if (!next || next.tagName !== "TD") return;
    event.preventDefault();
    reach(next);
    next.focus();
  });
})();
