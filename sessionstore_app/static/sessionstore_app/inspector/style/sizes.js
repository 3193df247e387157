/** Wide, narrow and small windows: what changes what stands before. */

export const sizes = `
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
