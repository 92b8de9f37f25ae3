/** The search looks for this many first characters, so no secret may be shorter. */
const HEAD = 6;
const TABLE = 1 << 20;

type StandsAlone = (text: string, at: number, length: number) => boolean;

interface Form {
  text: string;
  needle: number;
  /** Six digits also occur in times, ids and hex keys, so no other letter or digit may touch them. */
  standsAlone?: StandsAlone;
}

/** Searches a text for many secrets in one pass, in all forms in which programs print text and bytes. */
export class SecretHunt {
  readonly #names: string[] = [];
  readonly #seen = new Set<string>();
  readonly #forms = new Map<string, Form[]>();
  readonly #heads = new Uint8Array(TABLE);

  /** @param bytes the bytes that `secret` encodes, if it is an encoding */
  add(name: string, secret: string, bytes: Uint8Array = Buffer.from(secret)): this {
    if (secret.length < HEAD) throw new Error(`${name} is too short: other text could match it`);
    if (this.#seen.has(secret)) return this;
    this.#seen.add(secret);
    const needle = this.#names.push(name) - 1;
    const digits = /^\d+$/.test(secret);
    for (const text of [secret, secret.toLowerCase(), secret.toUpperCase()])
      this.#look({ text, needle, ...(digits && { standsAlone: inText }) });
    const raw = Buffer.from(bytes);
    const hex = raw.toString('hex');
    const forms = [
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
      hex,
      hex.toUpperCase(),
      hex.replace(/..(?=.)/g, '$& '), // as Node.js prints a Buffer
      raw.join(','), // as JSON prints bytes
      ...base64Forms(raw),
    ];
    for (const text of new Set(forms)) {
      const alone = digits && text === hex && { standsAlone: inHex };
      if (text !== secret && text.length >= HEAD) this.#look({ text, needle, ...alone });
    }
    return this;
  }

  get names(): string[] {
    return this.#names;
  }

  in(haystack: string): string[] {
    return [...this.finds(haystack)].map(([name, around]) => `${name}: …${around}…`);
  }

  /** @returns the text around each secret found, by the secret's name. */
  finds(haystack: string): Map<string, string> {
    const found = new Map<string, string>();
    for (let at = 0; at + HEAD <= haystack.length; at += 1) {
      if (this.#heads[hashAt(haystack, at)] === 0) continue;
      for (const { text, needle, standsAlone } of this.#forms.get(haystack.slice(at, at + HEAD)) ?? []) {
        if (!haystack.startsWith(text, at)) continue;
        if (standsAlone?.(haystack, at, text.length) === false) continue;
        const name = this.#names[needle]!;
        if (!found.has(name)) found.set(name, haystack.slice(Math.max(0, at - 200), at + 60));
      }
    }
    return found;
  }

  #look(form: Form): void {
    const head = form.text.slice(0, HEAD);
    this.#heads[hashAt(head, 0)] = 1;
    const forms = this.#forms.get(head);
    if (forms) forms.push(form);
    else this.#forms.set(head, [form]);
  }
}

const hashAt = (text: string, at: number) =>
  (text.charCodeAt(at) * 10_007 +
    text.charCodeAt(at + 1) * 131 +
    text.charCodeAt(at + 2) * 17 +
    text.charCodeAt(at + 3)) &
  (TABLE - 1);

const inText: StandsAlone = (text, at, length) =>
  !/[\w.:-]/.test(text.charAt(at - 1)) && !/[\w:-]/.test(text.charAt(at + length));

const inHex: StandsAlone = (text, at, length) => {
  const around = [text.slice(Math.max(0, at - 2), at), text.slice(at + length, at + length + 2)];
  return around.every((byte) => !/\w/.test(Buffer.from(byte, 'hex').toString()));
};

/** @returns base64 and base64url of the bytes, at each of the three offsets in a longer input. */
function base64Forms(bytes: Uint8Array): string[] {
  return [0, 1, 2].flatMap((before) => {
    const all = Buffer.concat([Buffer.alloc(before), bytes]);
    // The first and last characters also encode neighbouring bytes.
    const from = Math.ceil((before * 8) / 6);
    const to = Math.floor((all.length * 8) / 6);
    return [all.toString('base64').slice(from, to), all.toString('base64url').slice(from, to)];
  });
}
