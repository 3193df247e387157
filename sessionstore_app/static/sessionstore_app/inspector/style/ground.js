/** Colours, the frame around all, and what every element has. */

export const ground = `
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
`;
