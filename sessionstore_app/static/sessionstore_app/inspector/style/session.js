/** What the session is. */

export const session = `
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
`;
