"use strict";
const panel = document.getElementById("details");
const boxes = [...document.querySelectorAll(".gradcli g[data-key]")];
const arrows = [...document.querySelectorAll(".gradcli path[data-tail]")];
const mark = (keys) => {
  for (const box of boxes) box.classList.toggle("near", keys.includes(box.dataset.key));
  for (const arrow of arrows) {
    const own = [arrow.dataset.tail, arrow.dataset.head];
    arrow.classList.toggle("near", keys.length > 1 ? own.every((key) => keys.includes(key)) : own.includes(keys[0]));
  }
};
for (const box of boxes) {
  const title = box.querySelector("title"), words = title.textContent;
  const show = () => {
    panel.textContent = words;
    mark([box.dataset.key]);
    for (const other of boxes) if (other.dataset.key === box.dataset.beside) other.classList.add("near");
  };
  title.remove();
  box.setAttribute("tabindex", "0");
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", words);
  for (const event of ["pointerenter", "focus", "click"]) box.addEventListener(event, show);
}
if (panel) {
  panel.textContent = "Point at a box, or go there with the Tab key.";
  panel.hidden = false;
}
for (const form of document.querySelectorAll(".filters")) {
  const rows = [...document.getElementById(form.dataset.list).querySelectorAll(".row")];
  const apply = () => {
    const wanted = form.elements.verdict.value, text = form.elements.text.value.toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = (form.elements.failing.checked && row.dataset.ok === "yes")
        || (wanted !== "" && row.dataset.verdict !== wanted)
        || (text !== "" && !row.textContent.toLowerCase().includes(text));
      shown += row.hidden ? 0 : 1;
    }
    form.querySelector("output").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
}
const steps = [...document.querySelectorAll(".step")];
if (steps.length > 0) {
  const buttons = Object.fromEntries(["first", "previous", "next", "all"].map((id) => [id, document.getElementById(id)]));
  let place = -1;
  const go = (to) => {
    place = Math.max(-1, Math.min(steps.length - 1, to));
    steps.forEach((step, number) => { step.hidden = place >= 0 && number !== place; });
    const step = place < 0 ? null : steps[place];
    mark(step === null ? [] : [step.dataset.tail, step.dataset.head].filter((key) => key !== ""));
    document.getElementById("position").textContent = step === null ? `${steps.length} steps` : `step ${place + 1} of ${steps.length}`;
    buttons.previous.disabled = place <= 0;
    buttons.next.disabled = place === steps.length - 1;
  };
  buttons.first.addEventListener("click", () => go(0));
  buttons.previous.addEventListener("click", () => go(place - 1));
  buttons.next.addEventListener("click", () => go(place + 1));
  buttons.all.addEventListener("click", () => go(-1));
  document.querySelector(".stepper").hidden = false;
  go(-1);
}
