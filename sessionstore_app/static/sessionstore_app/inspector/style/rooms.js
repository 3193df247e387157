/** Rooms with their keys and peers, and values as text. */

export const rooms = `
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
`;
