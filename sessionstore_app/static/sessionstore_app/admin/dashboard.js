/** The dashboard: figures that follow what happens, and how they went over the last minutes. */

import { byId, filled, make, stranger } from "./dom.js";

const EVERY_MS = 2000;
// Counting by a property looks at every session: not each time.
const BY_EVERY = 5;
const POINTS = 150;
const SVG = "http://www.w3.org/2000/svg";

const { address, figures, labels } = JSON.parse(byId("dashboard").textContent);
const series = new Map();
let by = "";
let turn = 0;

const drawn = (tag, attributes) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

const number = (value) => (Number.isInteger(value) ? value : value.toFixed(value < 10 ? 1 : 0)).toLocaleString();

const label = (part, name) => (part === "site" && name === "active" ? labels.site_active : labels[name]);

const showPart = (part, told) => {
  const card = document.querySelector(`[data-part="${part}"]`);
  if (!card || !told) return;
  const list = card.querySelector("dl");
  if (told.error) return list.replaceChildren(make("dd", "", told.error));
  const known = Object.entries(told).filter(([name]) => label(part, name));
  list.replaceChildren(...known.map(([name, value]) => make("div", "", make("dt", "", label(part, name)), make("dd", "", number(value)))));
  for (const chart of card.querySelectorAll("[data-chart]")) plot(chart, told[chart.dataset.chart]);
};

const plot = (chart, value) => {
  const name = chart.dataset.chart;
  const points = series.get(name) ?? [];
  series.set(name, [...points, value].slice(-POINTS));
  const shown = series.get(name);
  const top = Math.max(1, ...shown);
  const at = (point, position) => `${((position + POINTS - shown.length) / (POINTS - 1)) * 300},${58 - (point / top) * 54}`;
  const line = shown.map(at);
  const svg = drawn("svg", { viewBox: "0 0 300 60", preserveAspectRatio: "none", role: "img" });
  svg.setAttribute("aria-label", filled(labels.chart, labels[name]));
  const first = line[0].split(",")[0];
  svg.append(drawn("polygon", { points: `${first},60 ${line.join(" ")} 300,60` }), drawn("polyline", { points: line.join(" ") }));
  chart.replaceChildren(make("figure", "", svg, make("figcaption", "", filled(labels.chart, labels[name]))));
};

const showGroups = (told) => {
  if (!told || told.key !== undefined && told.key !== by) return;
  byId("by-told").textContent = told.error ?? (told.groups.length ? "" : labels.none);
  const most = Math.max(1, ...(told.groups ?? []).map(({ count }) => count), told.rest ?? 0);
  const bar = (name, count) => {
    const svg = drawn("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(drawn("rect", { width: (count / most) * 100, height: 10 }));
    return make("li", "", name, svg, make("span", "count", number(count)));
  };
  const bars = (told.groups ?? []).map(({ value, count }) => bar(stranger(value), count));
  if (told.rest) bars.push(bar(make("em", "", labels.rest), told.rest));
  byId("bars").replaceChildren(...bars);
};

const show = (told) => {
  for (const part of ["sessions", "rooms", "nodes", "site"]) showPart(part, told[part]);
  if (by && told.by) showGroups(told.by);
};

const ask = async () => {
  const asked = by && turn++ % BY_EVERY === 0 ? `?by=${encodeURIComponent(by)}` : "";
  try {
    const response = await fetch(address + asked);
    if (!response.ok) throw new Error(response.statusText);
    show(await response.json());
    byId("dashboard-state").textContent = "";
  } catch {
    byId("dashboard-state").textContent = labels.lost;
  }
};

// One at a time, and none while nobody looks.
const follow = async () => {
  if (!document.hidden) await ask();
  setTimeout(follow, EVERY_MS);
};

byId("dashboard-by")?.addEventListener("submit", (event) => {
  event.preventDefault();
  by = event.target.elements.by.value.trim();
  turn = 0;
  byId("bars").replaceChildren();
  if (by) ask();
});

show(figures);
setTimeout(follow, EVERY_MS);
