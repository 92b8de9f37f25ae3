/** Looks for secrets in what was left behind, in any of the forms that text and bytes are written in. */
export class SecretHunt {
  readonly #needles: { name: string; pattern: RegExp }[] = [];

  /**
   * @param secret as it goes over the wire
   * @param bytes what it stands for, where that is not its text
   */
  add(name: string, secret: string, bytes: Uint8Array = Buffer.from(secret)): this {
    // Six digits also stand inside of instants, ids and numbers: there they must stand alone.
    const alone = /^\d+$/.test(secret) ? `(?<![\\w.:-])${secret}(?![\\w:-])` : escaped(secret);
    const forms = [alone, Buffer.from(bytes).toString('hex'), ...base64Forms(bytes).map(escaped)];
    this.#needles.push({ name, pattern: new RegExp(forms.join('|'), 'i') });
    return this;
  }

  get names(): string[] {
    return this.#needles.map(({ name }) => name);
  }

  /** @returns where each secret was found that was found, with what stands around it. */
  in(haystack: string): string[] {
    return this.#needles.flatMap(({ name, pattern }) => {
      const found = pattern.exec(haystack);
      return found ? [`${name}: …${haystack.slice(Math.max(0, found.index - 200), found.index + 60)}…`] : [];
    });
  }
}

/** What bytes look like inside of base64 and base64url, wherever in a longer text they begin. */
function base64Forms(bytes: Uint8Array): string[] {
  return [0, 1, 2].flatMap((before) => {
    const all = Buffer.concat([Buffer.alloc(before), bytes]);
    // The characters that also hold bits of what stands before and after say nothing.
    const from = Math.ceil((before * 8) / 6);
    const to = Math.floor((all.length * 8) / 6);
    return [all.toString('base64').slice(from, to), all.toString('base64url').slice(from, to)];
  });
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
