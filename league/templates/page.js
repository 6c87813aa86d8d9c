"use strict";
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function order(a, b, text, sign) {
  if (a === "" || b === "") return (a === "") - (b === ""); // what is missing comes last in both directions
  return sign * (text ? collator.compare(a, b) : a - b);
}

for (const sheet of document.querySelectorAll(".sheet")) {
  const table = sheet.querySelector("table");
  const [body] = table.tBodies;
  const heads = [...table.tHead.rows[0].cells];
  const find = sheet.querySelector("input");
  const count = sheet.querySelector("output");
  const words = new Map([...body.rows].map(row => [row, row.textContent.toLowerCase()]));
  const state = new URLSearchParams(location.hash.slice(1)); // a link to the page as it is sorted and filtered

  function sort(column, falling) {
    heads.forEach(head => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
    const text = heads[column].classList.contains("text");
    const value = row => row.cells[column].dataset.value;
    body.append(...[...body.rows].sort((a, b) => order(value(a), value(b), text, falling ? -1 : 1)));
  }

  function filter(text) {
    const wanted = text.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const [row, content] of words) {
      row.hidden = !wanted.every(word => content.includes(word));
      shown += !row.hidden;
    }
    count.value = shown === words.size ? `${words.size} rows` : `${shown} of ${words.size} rows`;
  }

  function remember(key, value) {
    if (value) state.set(key, value); else state.delete(key);
    history.replaceState(null, "", `#${state}`);
  }

  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const before = head.getAttribute("aria-sort");
    const falling = before ? before === "ascending" : head.hasAttribute("data-falling");
    sort(column, falling);
    remember("sort", `${falling ? "-" : ""}${head.dataset.key}`);
  }));
  find.addEventListener("input", () => {
    filter(find.value);
    remember("find", find.value);
  });

  const sorted = (state.get("sort") ?? "").match(/^(-?)(.+)$/);
  const column = sorted ? heads.findIndex(head => head.dataset.key === sorted[2]) : -1;
  if (column >= 0) sort(column, sorted[1] === "-");
  find.value = state.get("find") ?? "";
  filter(find.value);
  sheet.querySelector(".tools").hidden = false;
}
