"use strict";
// Sorting, filtering, enlarging, and opening what a link leads to. Without this script the page says the same.
const all = (what, inside = document) => [...inside.querySelectorAll(what)];

// A table: each row is a tbody, so that remarks below it move with it.
const key = (body, column) => {
  const cell = body.rows[0].cells[column];
  const told = cell.dataset.v ?? cell.textContent.trim();
  const number = Number(told);
  return told === "" || told === "–" ? null : Number.isNaN(number) ? told.toLowerCase() : number;
};
const before = (a, b) => {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
};
function sort(table, column, way) {
  const bodies = [...table.tBodies];
  bodies.forEach((body, at) => { body.dataset.at ??= at; });
  const keyed = bodies.map(body => ({ body, at: Number(body.dataset.at), key: way ? key(body, column) : null }));
  keyed.sort((a, b) => {
    if (!way || (a.key === null && b.key === null)) return a.at - b.at;
    if (a.key === null || b.key === null) return a.key === null ? 1 : -1;
    return (way === "ascending" ? before(a.key, b.key) : before(b.key, a.key)) || a.at - b.at;
  });
  table.append(...keyed.map(one => one.body));
}
const NEXT = { none: "ascending", ascending: "descending", descending: "none" };
for (const button of all("table.sortable thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = button.closest("table");
    const way = NEXT[head.getAttribute("aria-sort")];
    all("thead th", table).forEach(other => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", way);
    sort(table, head.cellIndex, way === "none" ? "" : way);
  });
}

for (const tool of all(".tool")) tool.hidden = false;
for (const field of all("input[data-table]")) {
  const table = document.getElementById(field.dataset.table), said = document.getElementById(`${field.id}-said`);
  const words = [...table.tBodies].map(body => [body, body.textContent.toLowerCase()]);
  const apply = () => {
    const asked = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [body, text] of words) {
      body.hidden = !asked.every(word => text.includes(word));
      shown += !body.hidden;
    }
    said.textContent = asked.length ? `${shown} of ${words.length} rows` : `${words.length} rows`;
  };
  field.addEventListener("input", apply);
  apply();
}

// What a link leads to is opened first.
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let outer = target; outer; outer = outer.parentElement) if (outer.tagName === "DETAILS") outer.open = true;
  target?.scrollIntoView({ block: "center" });
}
addEventListener("hashchange", open);
if (location.hash.length > 1) open();
for (const button of all("button[data-open]")) {
  button.addEventListener("click", () => all("details", document.getElementById(button.dataset.open))
    .forEach(one => { one.open = button.dataset.all === "yes"; }));
}

// A figure in a window of its own, up to four times as large.
const dialog = document.querySelector("dialog");
if (dialog) {
  const picture = dialog.querySelector("img");
  let size = 1;
  const show = by => {
    size = Math.min(4, Math.max(1, size + by));
    picture.className = size > 1 ? `x${size}` : "";
  };
  for (const button of all("figure button")) {
    button.addEventListener("click", () => {
      const drawn = button.querySelector("img");
      picture.src = drawn.src;
      picture.alt = drawn.alt;
      show(-4);
      dialog.showModal();
    });
  }
  dialog.querySelector("[data-do=larger]").addEventListener("click", () => show(1));
  dialog.querySelector("[data-do=smaller]").addEventListener("click", () => show(-1));
  dialog.querySelector("[data-do=close]").addEventListener("click", () => dialog.close());
}

// The records that stand in the page, as the file that verbs read.
for (const button of all("button[data-file]")) {
  button.parentElement.hidden = false;
  button.addEventListener("click", () => {
    const text = atob(document.getElementById(button.dataset.file).textContent.trim());
    const bytes = Uint8Array.from(text, letter => letter.charCodeAt(0));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: "application/gzip" }));
    link.download = button.dataset.name;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
