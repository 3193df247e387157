/** The bar, the tabs and the panes. */

export const panel = `
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
`;
