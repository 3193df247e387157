/** The frames. */

export const frames = `
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
`;
