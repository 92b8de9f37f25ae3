import fc from 'fast-check';
import type { SeededRandom } from './seeded-random.js';
import type { Interface, Schema } from './interface.js';

/** fast-check cannot use lookaheads. They only limit the length, which the schema does too. */
const LOOKAHEAD = /\(\?=[^)]*\)/g;

/** Texts that often break parsers, databases or logs. */
export const ODD_TEXTS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'x\udfff',
  '\u202eevil',
  '\ufeff',
  'ﬃ',
  'é',
  'İ',
  '👩‍👩‍👧‍👦',
  '../../etc/passwd',
  "'; DROP TABLE onboardings; --",
  '${jndi:ldap://x/y}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '%00',
  '%s%n%x',
  '__proto__',
  'constructor',
  'null',
  'NaN',
  '1e999',
  '\r\nX-Injected: 1',
  'a'.repeat(10_000),
  '\u0301'.repeat(500),
];

export const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  -0,
  1e308,
  2 ** 53,
  9_007_199_254_740_993n.toString(),
  [],
  {},
  [[[[]]]],
  { toString: null },
  { constructor: { prototype: { polluted: true } } },
  ...ODD_TEXTS,
];

const MAX_DEPTH = 6;

export class Values {
  readonly #described: Interface;
  readonly #random: SeededRandom;

  constructor(described: Interface, random: SeededRandom) {
    this.#described = described;
    this.#random = random;
  }

  valueFor(given: Schema, depth = 0): unknown {
    const schema = this.#described.resolve(given);
    const random = this.#random;
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return random.pick(schema.enum);
    const union = schema.anyOf ?? schema.oneOf;
    if (union) return this.valueFor(random.pick(union), depth);
    if (schema.allOf)
      return Object.assign({}, ...schema.allOf.map((each) => this.valueFor(each, depth))) as unknown;
    const type = Array.isArray(schema.type) ? random.pick(schema.type) : schema.type;
    switch (type) {
      case 'object':
        return this.#object(schema, depth);
      case 'array': {
        const most = Math.min(schema.maxItems ?? 3, 3);
        const length = random.int(schema.minItems ?? 0, Math.max(most, schema.minItems ?? 0));
        return Array.from({ length }, () => this.valueFor(schema.items ?? {}, depth + 1));
      }
      case 'string':
        return this.text(schema);
      case 'integer':
        return random.int(Math.max(schema.minimum ?? 0, -1e6), Math.min(schema.maximum ?? 1_000, 1e6));
      case 'number':
        return random.next() * 1_000;
      case 'boolean':
        return random.chance(0.5);
      case 'null':
        return null;
      default:
        return depth > MAX_DEPTH ? null : random.pick(ODD_VALUES);
    }
  }

  text(schema: Schema): string {
    const random = this.#random;
    if (schema.pattern) {
      // A text that matches the pattern may be longer than the schema allows.
      const seed = random.int(0, 2 ** 31 - 1);
      const [text = ''] = fc.sample(fc.stringMatching(new RegExp(schema.pattern.replaceAll(LOOKAHEAD, ''))), {
        numRuns: 1,
        seed,
      });
      return text.slice(0, schema.maxLength ?? text.length);
    }
    if (schema.format === 'uuid') return this.uuid();
    const least = schema.minLength ?? 0;
    const length = random.int(least, Math.min(schema.maxLength ?? 30, least + 30));
    const alphabet = random.pick(['abc XYZ_-', 'äöüßéñ', '日本語テキスト', '0123456789']);
    return Array.from({ length }, () => random.pick([...alphabet])).join('');
  }

  uuid(): string {
    const hex = Array.from({ length: 32 }, () => this.#random.int(0, 15).toString(16)).join('');
    const [a, b, c] = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(13, 16)];
    return `${a}-${b}-4${c}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  #object(schema: Schema, depth: number): Record<string, unknown> {
    const random = this.#random;
    if (schema.example !== undefined && random.chance(0.3)) return schema.example as Record<string, unknown>;
    const made: Record<string, unknown> = {};
    for (const [name, each] of Object.entries(schema.properties ?? {})) {
      const wanted = schema.required?.includes(name) || (depth < MAX_DEPTH && random.chance(0.4));
      if (wanted) made[name] = this.valueFor(each, depth + 1);
    }
    if (schema.additionalProperties && random.chance(0.5)) {
      const entry = schema.additionalProperties === true ? {} : schema.additionalProperties;
      made[this.text({ maxLength: 20, minLength: 1 })] = this.valueFor(entry, depth + 1);
    }
    return made;
  }
}
