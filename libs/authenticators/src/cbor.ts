import { Tokenizer, Type, decodeFirst, type Token } from 'cborg';

/** Real attestations have about 30 items. Each item costs the decoder time and memory. */
const MOST_ITEMS = 256;
/** Levels of nested maps and arrays. */
const DEEPEST = 8;

/**
 * Decodes one item of CBOR (RFC 8949), and returns the bytes after it too. Refuses forms that the provider
 * could read differently: any but the shortest, indefinite lengths, tags and duplicate keys (WebAuthn Level 3
 * §2.1).
 *
 * @throws Error for these, and for more items or levels than an authenticator needs
 */
export const decodeItem = (bytes: Uint8Array): [unknown, Uint8Array] => {
  // A plain Uint8Array, because `slice` of a Buffer does not copy the bytes.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return decodeFirst(plain, { ...STRICT, tokenizer: new BoundedTokenizer(plain, STRICT) });
};

const STRICT = {
  useMaps: true,
  rejectDuplicateMapKeys: true,
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
};

/** Counts the items while it reads them, so that it stops before it builds a large document. */
class BoundedTokenizer extends Tokenizer {
  #items = 0;
  /** How many items are missing in each incomplete map or array, the outermost first. */
  readonly #open: number[] = [];

  override next(): Token {
    const token = super.next();
    if (++this.#items > MOST_ITEMS) throw new Error('too many items');
    this.#take(token);
    return token;
  }

  #take({ type, value }: Token): void {
    const length = typeof value === 'number' ? value : 0;
    const within = type === Type.map ? 2 * length : type === Type.array ? length : 0;
    if (within > MOST_ITEMS) throw new Error('too many items');
    if (within > 0) {
      if (this.#open.push(within) > DEEPEST) throw new Error('too deep');
      return;
    }
    // A scalar, or an empty map or array, may complete several nested maps and arrays.
    while (this.#open.length > 0 && --this.#open[this.#open.length - 1]! === 0) this.#open.pop();
  }
}

/** Encodes at most 65535 bytes as a byte string (RFC 8949 §3.1), in its shortest form. */
export function byteString(bytes: Uint8Array): Buffer {
  const { length } = bytes;
  const head =
    length < 24
      ? Buffer.of(0x40 | length)
      : length < 0x100
        ? Buffer.of(0x58, length)
        : Buffer.of(0x59, length >> 8, length & 0xff);
  return Buffer.concat([head, bytes]);
}
