/** How an inspector looks. A constructed sheet of its own shadow: a strict Content-Security-Policy allows it. */

export const css = `
:host {
  --ground: #ffffff;
  --raised: #f5f6f8;
  --line: #dfe2e8;
  --field: #868e9c;
  --ink: #1b1f27;
  --faint: #5a6271;
  --accent: #1f56c4;
  --accent-soft: #e5edfd;
  --in: #14713a;
  --out: #7a3cc2;
  --good: #1d9a56;
  --wait: #c07a08;
  --wait-ink: #855100;
  --bad: #b3261e;
  --bad-soft: #fdeceb;
  --flash: #ffe7a3;
  --json-key: #1f56c4;
  --json-string: #14713a;
  --json-literal: #a8480a;
  --sans: system-ui, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "Roboto Mono", "DejaVu Sans Mono", monospace;
  color-scheme: light dark;
  container-type: inline-size;
  position: fixed;
  z-index: 1000;
  inset: auto 0.75rem 0.75rem;
  display: block;
  box-sizing: border-box;
  height: var(--inspector-height, min(26rem, 46dvh));
  overflow: hidden;
  border: 1px solid var(--line);
  border-radius: 0.625rem;
  background: var(--ground);
  box-shadow: 0 1px 3px rgb(0 0 0 / 0.12), 0 12px 36px rgb(0 0 0 / 0.18);
  color: var(--ink);
  font: 400 0.8125rem/1.45 var(--sans);
  text-align: start;
}

:host([tall]) {
  height: calc(100dvh - 1.5rem);
}

:host([inline]) {
  position: static;
  z-index: auto;
  height: var(--inspector-height, 34rem);
  box-shadow: none;
}

:host(:not([open], [inline])),
:host([hidden]),
[hidden] {
  display: none !important;
}

@media (prefers-color-scheme: dark) {
  :host {
    --ground: #14171d;
    --raised: #1c2029;
    --line: #2f3541;
    --field: #737c8c;
    --ink: #e6e9ef;
    --faint: #9ea7b6;
    --accent: #8fb6ff;
    --accent-soft: #1d2c4a;
    --in: #6fce95;
    --out: #c9a3ff;
    --good: #43c07c;
    --wait: #e5a83c;
    --wait-ink: #f1c670;
    --bad: #ff9a91;
    --bad-soft: #3c1d1c;
    --flash: #5a4712;
    --json-key: #8fb6ff;
    --json-string: #7fd3a0;
    --json-literal: #f0a875;
    box-shadow: 0 1px 3px rgb(0 0 0 / 0.5), 0 12px 36px rgb(0 0 0 / 0.5);
  }
}

*,
*::before {
  box-sizing: border-box;
}

h2, h3, p, dl, dd, ul, ol, pre, table {
  margin: 0;
  padding: 0;
}

h2, h3 {
  font-size: inherit;
  font-weight: 650;
}

ul, ol {
  list-style: none;
}

code, pre, .mono {
  font: 0.75rem/1.5 var(--mono);
}

code, bdi, dt, dd, th, td, b, span, h3 {
  overflow-wrap: anywhere;
}

[dir="auto"],
bdi {
  text-align: -webkit-match-parent;
  text-align: match-parent;
  unicode-bidi: isolate;
}

:focus-visible {
  outline: 2px solid var(--accent);
  outline-offset: -2px;
  border-radius: 0.25rem;
}

.panel {
  display: grid;
  grid-template: auto auto minmax(0, 1fr) / minmax(0, 1fr);
  height: 100%;
}

.bar {
  display: flex;
  align-items: center;
  gap: 0.625rem;
  min-height: 2.5rem;
  padding: 0.125rem 0.375rem 0.125rem 0.875rem;
  border-bottom: 1px solid var(--line);
  background: var(--raised);
}

.bar h2 {
  flex: none;
  letter-spacing: -0.005em;
}

.bar h2:focus {
  outline: none;
}

.state {
  display: inline-flex;
  flex: none;
  align-items: center;
  gap: 0.375rem;
  padding: 0.0625rem 0.5rem;
  border: 1px solid var(--line);
  border-radius: 999px;
  background: var(--ground);
  font-size: 0.75rem;
  font-weight: 600;
}

.state:empty {
  display: none;
}

.state::before {
  content: "";
  width: 0.4375rem;
  height: 0.4375rem;
  border-radius: 50%;
  background: var(--field);
}

.state[data-state="open"]::before {
  background: var(--good);
}

.state:is([data-state="connecting"], [data-state="reconnecting"], [data-state="degraded"]) {
  border-color: var(--wait);
  color: var(--wait-ink);
}

.state:is([data-state="connecting"], [data-state="reconnecting"], [data-state="degraded"])::before {
  background: var(--wait);
}

.state[data-state="closed"] {
  border-color: var(--bad);
  color: var(--bad);
}

.state[data-state="closed"]::before {
  background: var(--bad);
}

.detail {
  min-width: 0;
  flex: 1;
  overflow: hidden;
  color: var(--faint);
  text-overflow: ellipsis;
  white-space: nowrap;
}

.latency {
  flex: none;
  color: var(--faint);
  font-variant-numeric: tabular-nums;
}

.tool {
  display: inline-grid;
  flex: none;
  place-items: center;
  width: 1.875rem;
  height: 1.875rem;
  padding: 0;
  border: 0;
  border-radius: 0.375rem;
  background: none;
  color: var(--faint);
  cursor: pointer;
}

.tool:hover {
  background: var(--accent-soft);
  color: var(--ink);
}

.tool[aria-pressed="true"] {
  background: var(--accent-soft);
  color: var(--accent);
}

svg {
  width: 1rem;
  height: 1rem;
  fill: none;
  stroke: currentColor;
  stroke-width: 1.4;
  stroke-linecap: round;
  stroke-linejoin: round;
}

:host([inline]) .latency {
  margin-inline-end: 0.375rem;
}

:host([inline]) [data-act="close"],
:host([inline]) [data-act="grow"] {
  display: none;
}

.tabs {
  display: flex;
  gap: 0.25rem;
  padding: 0.375rem 0.5rem;
  border-bottom: 1px solid var(--line);
}

.tab {
  flex: 1;
  min-height: 2.25rem;
  border: 0;
  border-radius: 0.4375rem;
  background: none;
  color: var(--faint);
  font: 600 0.8125rem/1 var(--sans);
  cursor: pointer;
}

.tab:hover {
  background: var(--raised);
}

.tab[aria-pressed="true"] {
  background: var(--accent-soft);
  color: var(--accent);
}

.panes {
  display: grid;
  min-height: 0;
  grid-template: minmax(0, 1fr) / minmax(0, 1fr);
}

.pane {
  display: none;
  flex-direction: column;
  min-width: 0;
  min-height: 0;
}

.pane[data-chosen] {
  display: flex;
}

.pane__head {
  display: flex;
  flex: none;
  align-items: center;
  gap: 0.75rem;
  padding: 0.25rem 0.375rem 0.25rem 0.75rem;
}

.pane__title {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
}

.pane__head:not(:has(.tools)) {
  padding: 0;
}

.pane__body {
  flex: 1;
  min-height: 0;
  overflow-y: auto;
  overscroll-behavior: contain;
  scrollbar-width: thin;
}

.empty {
  padding: 0.5rem 0.75rem;
  color: var(--faint);
}

.count {
  color: var(--faint);
  font-variant-numeric: tabular-nums;
  font-weight: 400;
}

.chip {
  display: inline-block;
  margin: 0 0.25rem 0.125rem 0;
  padding: 0 0.375rem;
  border-radius: 0.25rem;
  background: var(--raised);
  color: var(--faint);
  font-size: 0.6875rem;
  font-weight: 600;
  line-height: 1.125rem;
}

.chip--you {
  background: var(--accent-soft);
  color: var(--accent);
}

.chip--away {
  color: var(--wait-ink);
}

.session > h3 {
  padding: 0.5rem 0.75rem 0.25rem;
  border-top: 1px solid var(--line);
}

.facts {
  display: grid;
  grid-template-columns: fit-content(45%) minmax(0, 1fr);
  gap: 0.1875rem 0.75rem;
  padding: 0.5rem 0.75rem 0.625rem;
}

.facts dt {
  color: var(--faint);
}

.facts--properties {
  padding-block-start: 0;
}

.facts--properties dt {
  font: 0.75rem/1.5 var(--mono);
}

.room {
  padding-block-end: 0.625rem;
}

.room + .room {
  border-top: 1px solid var(--line);
}

.room__head {
  position: sticky;
  z-index: 1;
  top: 0;
  display: flex;
  flex-wrap: wrap;
  align-items: baseline;
  justify-content: space-between;
  gap: 0 0.75rem;
  padding: 0.375rem 0.75rem;
  border-bottom: 1px solid var(--line);
  background: var(--ground);
}

.room__facts {
  display: flex;
  flex-wrap: wrap;
  gap: 0 0.75rem;
  color: var(--faint);
}

.room__version {
  color: var(--ink);
  font-variant-numeric: tabular-nums;
}

table {
  width: 100%;
  border-collapse: collapse;
  table-layout: fixed;
}

.column {
  padding: 0.25rem 0.375rem;
  white-space: nowrap;
  color: var(--faint);
  font-size: 0.6875rem;
  font-weight: 600;
  text-align: start;
}

.column--key {
  width: 32%;
}

.column--versions {
  width: 4.25rem;
}

.column--written {
  width: 5.5rem;
}

tr > :first-child {
  padding-inline-start: 0.75rem;
}

tr > :last-child {
  padding-inline-end: 0.75rem;
}

tbody th,
td {
  padding: 0.25rem 0.375rem;
  border-top: 1px solid color-mix(in srgb, var(--line) 55%, transparent);
  font-weight: 400;
  text-align: start;
  vertical-align: top;
}

tbody th code {
  font-weight: 600;
}

.column--versions,
.number {
  font-variant-numeric: tabular-nums;
  text-align: end;
}

.meta {
  color: var(--faint);
}

.meta bdi,
.meta time {
  display: block;
  overflow: hidden;
  font-size: 0.75rem;
  font-variant-numeric: tabular-nums;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.meta bdi {
  color: var(--ink);
}

tbody tr:not([data-followed]) {
  opacity: 0.6;
}

tr[data-flash="odd"] {
  animation: flash-odd 1.6s ease-out;
}

tr[data-flash="even"] {
  animation: flash-even 1.6s ease-out;
}

@keyframes flash-odd {
  from {
    background: var(--flash);
  }
}

@keyframes flash-even {
  from {
    background: var(--flash);
  }
}

/* Nothing fades or moves: the row is marked for a while. */
@media (prefers-reduced-motion: reduce) {
  tr[data-flash] {
    animation-timing-function: step-end;
  }
}

.masked {
  color: var(--faint);
  letter-spacing: 0.1em;
}

.value small {
  margin-inline-start: 0.5rem;
  color: var(--faint);
}

summary {
  cursor: pointer;
}

.value summary {
  display: -webkit-box;
  overflow: hidden;
  -webkit-box-orient: vertical;
  -webkit-line-clamp: 2;
}

.value details[open] summary code {
  opacity: 0.55;
}

pre {
  overflow: auto;
  max-height: 24rem;
  padding: 0.5rem 0.75rem;
  border-radius: 0.375rem;
  background: var(--raised);
  tab-size: 2;
  white-space: pre-wrap;
}

pre span {
  unicode-bidi: isolate;
}

.value pre {
  margin-block: 0.25rem;
}

.json-key {
  color: var(--json-key);
}

.json-string {
  color: var(--json-string);
}

.json-literal {
  color: var(--json-literal);
}

.people > summary {
  padding: 0.5rem 0.75rem 0.25rem;
  font-weight: 600;
}

.peer {
  display: grid;
  grid-template-columns: minmax(0, 32%) minmax(0, 1fr) auto;
  align-items: start;
  gap: 0 0.75rem;
  padding: 0.1875rem 0.75rem;
}

.peer b {
  margin-inline-end: 0.375rem;
  font: 600 0.75rem/1.5 var(--mono);
}

.peer time,
.peer__properties {
  color: var(--faint);
  font-variant-numeric: tabular-nums;
}

.peer__properties {
  display: -webkit-box;
  overflow: hidden;
  -webkit-box-orient: vertical;
  -webkit-line-clamp: 2;
}

.tools {
  display: flex;
  flex: 1;
  align-items: center;
  gap: 0.375rem;
  min-width: 0;
}

.tools .count {
  flex: none;
}

input {
  width: 100%;
  min-width: 0;
  height: 1.75rem;
  padding: 0 0.5rem;
  border: 1px solid var(--field);
  border-radius: 0.375rem;
  background: var(--ground);
  color: var(--ink);
  font: inherit;
}

input::placeholder {
  color: var(--faint);
  opacity: 1;
}

.frame summary {
  display: grid;
  grid-template-columns: 5.5rem 0.75rem 8.5rem minmax(0, 1fr) auto 3.25rem;
  align-items: baseline;
  gap: 0 0.5rem;
  padding: 0.1875rem 0.75rem;
  border-top: 1px solid color-mix(in srgb, var(--line) 55%, transparent);
  font-size: 0.75rem;
  font-variant-numeric: tabular-nums;
  list-style: none;
  white-space: nowrap;
}

.frame summary::-webkit-details-marker {
  display: none;
}

.frame summary:hover,
.frame details[open] summary {
  background: var(--raised);
}

.frame summary > * {
  overflow: hidden;
  text-overflow: ellipsis;
}

.frame time,
.about,
.ms,
.size {
  color: var(--faint);
}

.frame .method {
  font-weight: 600;
}

.frame:is([data-kind="result"], [data-kind="batch"]) .method {
  font-weight: 400;
}

.frame[data-kind="error"] .method,
.frame[data-kind="unreadable"] .method {
  color: var(--bad);
}

.frame[data-kind="error"] summary {
  background: var(--bad-soft);
}

.way {
  font-weight: 700;
  text-align: center;
}

[data-direction="in"] .way {
  color: var(--in);
}

[data-direction="out"] .way {
  color: var(--out);
}

.size {
  text-align: end;
}

.frame pre {
  margin: 0.25rem 0.75rem 0.5rem;
}

/* Wide enough for all three beside each other. */
@container (min-width: 58rem) {
  .tabs {
    display: none;
  }

  .panel {
    grid-template-rows: auto minmax(0, 1fr);
  }

  .panes {
    grid-template-columns: 14rem minmax(0, 1fr) minmax(0, 1fr);
  }

  .pane {
    display: flex;
  }

  .pane + .pane {
    border-inline-start: 1px solid var(--line);
  }

  .pane__head,
  .pane__head:not(:has(.tools)) {
    min-height: 2.375rem;
    padding: 0.25rem 0.375rem 0.25rem 0.75rem;
    border-bottom: 1px solid var(--line);
  }

  .pane__title {
    position: static;
    width: auto;
    height: auto;
    clip-path: none;
  }
}

@container (max-width: 34rem) {
  .bar h2 {
    overflow: hidden;
    flex: 0 1 auto;
    min-width: 0;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .detail:empty {
    flex: 1 0 0;
  }

  .tool {
    width: 2.5rem;
    height: 2.5rem;
  }

  /* Smaller type would have a phone zoom in. */
  input {
    height: 2.5rem;
    font-size: 1rem;
  }

  .column--written {
    width: 4.75rem;
  }

  .column--versions {
    width: 3.75rem;
  }

  .peer {
    grid-template-columns: minmax(0, 1fr) auto;
  }

  .peer__properties {
    grid-row: 2;
    grid-column: 1 / -1;
  }

  .frame summary {
    grid-template-columns: 0.75rem minmax(0, 1fr) auto auto;
    padding-block: 0.375rem;
  }

  .frame .way {
    grid-column: 1;
    grid-row: 1;
  }

  .frame .method {
    grid-column: 2;
    grid-row: 1;
  }

  .frame .about {
    grid-column: 2 / -1;
    grid-row: 2;
  }

  .frame .ms {
    grid-column: 3;
    grid-row: 1;
  }

  .frame time {
    grid-column: 4;
    grid-row: 1;
  }

  .frame .size {
    display: none;
  }
}

/* A sheet from below. */
@media (max-width: 52rem) {
  :host(:not([inline])) {
    inset-inline: 0;
    bottom: 0;
    height: var(--inspector-height, 62dvh);
    padding-bottom: env(safe-area-inset-bottom);
    border-inline: 0;
    border-bottom: 0;
    border-radius: 0.875rem 0.875rem 0 0;
  }

  :host([tall]:not([inline])) {
    height: calc(100dvh - 2.5rem);
  }
}
`;
