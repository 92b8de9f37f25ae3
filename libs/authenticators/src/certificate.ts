import { X509Certificate } from 'node:crypto';
import { checkSize, elementsOf, inside, type Element } from './der.js';

/** Real certificates are shorter. Longer ones may have so many elements that the libraries become slow. */
const MOST_BYTES = 4096;
const MOST_CERTIFICATES = 10;

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  octets: 0x04,
  oid: 0x06,
  sequence: 0x30,
  version: 0xa0,
  extensions: 0xa3,
};

/** Ids in DER. */
export const EXTENSION = {
  /** 2.5.29.19 */
  basicConstraints: '551d13',
  /** 1.3.6.1.4.1.45724.1.1.4, id-fido-gen-ce-aaguid */
  aaguid: '2b0601040182e51c010104',
  /** 1.3.6.1.4.1.11129.2.1.17, Android's key description */
  keyDescription: '2b06010401d679020111',
};

export interface Extension {
  critical: boolean;
  value: Buffer;
}

/** @throws Error if the value is not a list of certificates, or exceeds a limit. */
export function readChain(x5c: unknown): Uint8Array[] {
  if (!Array.isArray(x5c) || x5c.length > MOST_CERTIFICATES) throw new Error('no certificates');
  return x5c.map((each: unknown) => {
    if (!(each instanceof Uint8Array) || each.length > MOST_BYTES) throw new Error('no certificate');
    checkSize(each);
    return each;
  });
}

/** The parts of a leaf certificate that node:crypto does not read (RFC 5280 §4.1). */
export class LeafCertificate {
  readonly x509: X509Certificate;
  /** X.509: 3 if the certificate has extensions. */
  readonly version: number;
  readonly #extensions: ReadonlyMap<string, Extension>;

  /** @throws Error if the certificate cannot be read, or has an extension twice. */
  constructor(der: Uint8Array) {
    this.x509 = new X509Certificate(der);
    const [body] = inside(elementsOf(der)[0], TAG.sequence);
    const parts = inside(body, TAG.sequence);
    const version = parts.find(({ tag }) => tag === TAG.version);
    this.version = version ? 1 + inside(version, TAG.version)[0]!.content.readUInt8(0) : 1;
    this.#extensions = extensionsOf(parts.find(({ tag }) => tag === TAG.extensions));
  }

  extension(id: string): Extension | undefined {
    return this.#extensions.get(id);
  }

  /** Whether the basic constraints say that the certificate is not a CA. DER leaves out the value false. */
  get isEndEntity(): boolean {
    const constraints = this.extension(EXTENSION.basicConstraints);
    return constraints !== undefined && !this.x509.ca;
  }
}

function extensionsOf(element: Element | undefined): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  if (!element) return extensions;
  for (const each of inside(inside(element, TAG.extensions)[0], TAG.sequence)) {
    const [id, ...rest] = inside(each, TAG.sequence);
    const value = rest.at(-1);
    const critical = rest.length > 1 && rest[0]!.tag === TAG.boolean && rest[0]!.content[0] !== 0;
    if (id?.tag !== TAG.oid || value?.tag !== TAG.octets) throw new Error('no extension');
    const name = id.content.toString('hex');
    if (extensions.has(name)) throw new Error('an extension twice');
    extensions.set(name, { critical, value: value.content });
  }
  return extensions;
}
