/** DER (X.690). The tag consists of the first byte and the bytes of a long tag number. */
export interface Element {
  tag: number;
  content: Buffer;
}

/** A real certificate has some 100 elements. */
const MOST_ELEMENTS = 300;
const DEEPEST = 16;
const CONSTRUCTED = 0x20;

/** @throws Error if the bytes are not a sequence of whole elements */
export function elementsOf(bytes: Uint8Array): Element[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Element[] = [];
  for (let at = 0; at < buffer.length;) {
    const { element, end } = elementAt(buffer, at);
    if (elements.push(element) > MOST_ELEMENTS) throw new Error('too many elements');
    at = end;
  }
  return elements;
}

/** @throws Error if the element has another tag */
export function inside(element: Element | undefined, tag: number): Element[] {
  if (element?.tag !== tag) throw new Error('another element');
  return elementsOf(element.content);
}

/** @throws Error if the element has another tag, or if there are more elements */
export function only(bytes: Uint8Array, tag: number): Buffer {
  const [element, ...others] = elementsOf(bytes);
  if (element?.tag !== tag || others.length > 0) throw new Error('another element');
  return element.content;
}

/** @throws Error if there are more elements or levels than a certificate needs */
export function checkSize(bytes: Uint8Array): void {
  let left = MOST_ELEMENTS;
  const visit = (content: Uint8Array, depth: number): void => {
    if (depth > DEEPEST) throw new Error('too deep');
    for (const { tag, content: inner } of elementsOf(content)) {
      if (--left < 0) throw new Error('too many elements');
      if (isConstructed(tag)) visit(inner, depth + 1);
    }
  };
  visit(bytes, 0);
}

/** The flag is in the first byte of the tag. */
const isConstructed = (tag: number): boolean => {
  let first = tag;
  while (first > 0xff) first >>= 8;
  return (first & CONSTRUCTED) !== 0;
};

function elementAt(buffer: Buffer, start: number): { element: Element; end: number } {
  let at = start;
  let tag = buffer.readUInt8(at++);
  if ((tag & 0x1f) === 0x1f) {
    // Tag numbers have two bytes at most: Android's key descriptions use numbers up to 724.
    for (let more = 0x80, n = 0; more === 0x80; n++) {
      if (n === 2) throw new Error('a tag too long');
      const byte = buffer.readUInt8(at++);
      more = byte & 0x80;
      tag = (tag << 8) | byte;
    }
  }
  let length = buffer.readUInt8(at++);
  if (length > 0x80) {
    const bytes = length & 0x7f;
    if (bytes > 2) throw new Error('too long');
    length = buffer.readUIntBE(at, bytes);
    at += bytes;
  } else if (length === 0x80) throw new Error('no length');
  const end = at + length;
  if (end > buffer.length) throw new Error('too short');
  return { element: { tag, content: buffer.subarray(at, end) }, end };
}
