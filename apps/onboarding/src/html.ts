/** HTML that is already escaped. */
export class Html {
  constructor(readonly text: string) {}
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A template tag that escapes inserted strings, and keeps inserted `Html` as it is. */
export function html(texts: TemplateStringsArray, ...values: (string | Html | Html[])[]): Html {
  return new Html(texts.reduce((before, text, n) => before + write(values[n - 1]!) + text));
}

function write(value: string | Html | Html[]): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(write).join('');
  return value.replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** For our own pages below `/docs`. */
export const STYLESHEET = `
:root { color-scheme: light dark; }
body { margin: 0; background: light-dark(#f4f5f7, #14171c); color: light-dark(#1b1f26, #e7eaee);
  font: 1rem/1.5 system-ui, sans-serif; }
main { width: min(100% - 2rem, 40rem); margin-inline: auto; padding-block: 1.5rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.125rem; margin: 0 0 .75rem; }
p { margin: 0 0 1rem; overflow-wrap: anywhere; }
.card { background: light-dark(#fff, #1d2128); border-radius: .75rem; padding: 1.25rem; margin-bottom: 1rem; }
.quiet { color: light-dark(#57606a, #a3adb8); }
a { color: light-dark(#0b57d0, #8ab4f8); }
:focus-visible { outline: 3px solid light-dark(#0b57d0, #8ab4f8); outline-offset: 2px; }
`;

export function page(title: string, body: Html): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · Gangway</title>
        <link rel="stylesheet" href="/docs/pages.css" />
      </head>
      <body>
        ${body}
      </body>
    </html> `.text;
}
