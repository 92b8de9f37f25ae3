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

/** Writes HTML. It escapes the inserted strings, and keeps inserted `Html`. */
export function html(texts: TemplateStringsArray, ...values: (string | Html | Html[])[]): Html {
  return new Html(texts.reduce((before, text, n) => before + write(values[n - 1]!) + text));
}

function write(value: string | Html | Html[]): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(write).join('');
  return value.replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!);
}
