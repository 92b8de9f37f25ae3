/** The console's stylesheet. It is code and not a file, because the compiler copies no other files. */
export const STYLESHEET = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f4f5f7, #14171c);
  --card: light-dark(#fff, #1d2128);
  --text: light-dark(#1b1f26, #e7eaee);
  --quiet: light-dark(#57606a, #a3adb8);
  --line: light-dark(#848d97, #6b7580);
  --accent: light-dark(#0b57d0, #8ab4f8);
  --on-accent: light-dark(#fff, #10203a);
  --bad: light-dark(#b3261e, #f2b8b5);
  --good: light-dark(#1a6b33, #8fd6a3);
}
*, *::before, *::after { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
main, header { width: min(100% - 2rem, 40rem); margin-inline: auto; }
main { padding-block: 1.5rem 3rem; }
main.narrow { width: min(100% - 2rem, 24rem); padding-top: 12vh; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; padding-block: 1rem; }
header p { margin: 0; }
header .name { font-weight: 600; margin-inline-end: auto; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.125rem; margin: 0 0 .75rem; }
p { margin: 0 0 1rem; }
.card { background: var(--card); border-radius: .75rem; padding: 1.25rem; margin-bottom: 1rem; }
.quiet { color: var(--quiet); }
.error { color: var(--bad); font-weight: 600; }
label { display: block; font-weight: 600; margin-bottom: .25rem; }
input { display: block; width: 100%; min-height: 2.75rem; padding: .5rem .75rem; margin-bottom: 1rem;
  font: inherit; color: inherit; background: var(--ground);
  border: 1px solid var(--line); border-radius: .5rem; }
button { min-height: 2.75rem; padding: .5rem 1.25rem; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent); border-radius: .5rem; }
form.login button { width: 100%; }
header button { color: var(--accent); background: transparent; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
ul { list-style: none; margin: 0; padding: 0; }
nav li + li { border-top: 1px solid color-mix(in srgb, var(--line) 35%, transparent); }
nav.card { padding-block: .5rem; }
nav a { display: block; padding: .75rem 0; }
td { width: 40%; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: start; vertical-align: top; padding: .5rem .5rem .5rem 0; overflow-wrap: anywhere; }
th { font-weight: 400; }
tr + tr > * { border-top: 1px solid color-mix(in srgb, var(--line) 35%, transparent); }
p.after { margin: .75rem 0 0; }
.sessions li { display: flex; flex-wrap: wrap; gap: .5rem 1rem; padding-block: .75rem;
  align-items: center; justify-content: space-between; }
.sessions li + li { border-top: 1px solid color-mix(in srgb, var(--line) 35%, transparent); }
.sessions li > div { flex: 1 1 12rem; overflow-wrap: anywhere; }
.sessions button { color: var(--accent); background: transparent; }
form > button + .sessions { margin-top: 1rem; }
.up { color: var(--good); font-weight: 600; }
.down { color: var(--bad); font-weight: 600; }
`;
