//! How the page looks: on bright and dark screens, and on paper.

pub(super) const STYLE: &str = "
:root { color-scheme: light dark; --back: #fff; --text: #1c2430; --faint: #5d6878; --line: #d8dde5;
  --gen: #7a5bb5; --split: #c2661a; --read: #1d74b8; --verify: #2d8659; --ceiling: #a3adba; }
@media (prefers-color-scheme: dark) { :root { --back: #14181f; --text: #e6eaf0; --faint: #9aa5b5;
  --line: #313946; --gen: #a98ce0; --split: #e89352; --read: #5aa9e6; --verify: #62bd8e;
  --ceiling: #596475; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem;
  background: var(--back); color: var(--text); }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1.5rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: 0; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
svg { display: block; width: 100%; min-width: 40rem; height: auto; }
svg text { font: 13px system-ui, sans-serif; fill: var(--text); }
svg .faint { fill: var(--faint); }
svg .axis { stroke: var(--line); }
.gen { fill: var(--gen); } .split { fill: var(--split); } .read { fill: var(--read); }
.verify { fill: var(--verify); } .ceiling { fill: var(--ceiling); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--faint); font-weight: 600; }
th:first-child, td:first-child, .named th:nth-child(2), .named td:nth-child(2) { text-align: left; }
.remarks { color: var(--faint); font-size: .9rem; margin: 1.5rem 0 0; padding-left: 1.2rem; }
@media print { :root { --back: #fff; --text: #000; --faint: #444; --line: #bbb; --gen: #7a5bb5;
  --split: #c2661a; --read: #1d74b8; --verify: #2d8659; --ceiling: #a3adba; }
  .wide { overflow: visible; } svg { min-width: 0; } section, tr { break-inside: avoid; }
  rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
";
