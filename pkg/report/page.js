"use strict";
// One tab stop per table: Tab reaches the table, the arrow keys walk its numbers. A tap or a click works as well.
(() => {
  const bar = document.getElementById("source");
  const show = (e) => {
    const from = e.target.closest("[title]");
    bar.hidden = !from;
    if (from) bar.textContent = "Source: " + from.title;
  };
  document.querySelectorAll("td[title]").forEach((td) => { td.tabIndex = -1; });
  document.querySelectorAll(".table").forEach((box) => {
    const first = box.querySelector("td[title]");
    if (first) first.tabIndex = 0;
  });
  document.querySelectorAll("main p .num, main li .num").forEach((n) => { n.tabIndex = 0; });
  document.addEventListener("focusin", show);
  document.addEventListener("focusout", (e) => { if (!e.relatedTarget) bar.hidden = true; });
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape") { bar.hidden = true; return; }
    const td = e.target.closest && e.target.closest("td[title]");
    if (!td) return;
    const column = td.cellIndex, row = td.parentElement;
    const near = {
      ArrowLeft: () => td.previousElementSibling,
      ArrowRight: () => td.nextElementSibling,
      ArrowUp: () => row.previousElementSibling && row.previousElementSibling.cells[column],
      ArrowDown: () => row.nextElementSibling && row.nextElementSibling.cells[column],
    }[e.key];
    const next = near && near();
    if (!next || !next.title) return;
    e.preventDefault();
    td.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  if (window.matchMedia("(max-width: 68rem)").matches) document.querySelector("nav details").open = false;
})();
