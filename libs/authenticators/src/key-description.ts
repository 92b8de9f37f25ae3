import { elementsOf, inside, only, type Element } from './der.js';

/** Indexes in Android's KeyDescription. */
const SOFTWARE_ENFORCED = 6;
const HARDWARE_ENFORCED = 7;
/** Fields of Android's AuthorizationList, by their explicit tags: 1, 600 and 702. */
const PURPOSE = 0xa1;
const ALL_APPLICATIONS = 0xbf8458;
const ORIGIN = 0xbf853e;
const TAG = { integer: 0x02, sequence: 0x30, set: 0x31 };

const SIGN = 2;
const GENERATED = 0;

/**
 * Whether the key is bound to this app, made in the device, and for signing only (WebAuthn Level 3 §8.4).
 * Keys in software count too.
 *
 * @throws Error if the key description cannot be read
 */
export function isOwnSigningKey(extension: Uint8Array): boolean {
  const parts = elementsOf(only(extension, TAG.sequence));
  const fields = [SOFTWARE_ENFORCED, HARDWARE_ENFORCED].flatMap((at) => inside(parts[at], TAG.sequence));
  const purposes = valuesOf(fields, PURPOSE).flatMap((set) => elementsOf(only(set, TAG.set)).map(numberOf));
  const origins = valuesOf(fields, ORIGIN).map((value) => numberOf(elementsOf(value)[0]!));
  const [isForSigning, isGenerated] = [isOnly(purposes, SIGN), isOnly(origins, GENERATED)];
  return isForSigning && isGenerated && valuesOf(fields, ALL_APPLICATIONS).length === 0;
}

const valuesOf = (fields: Element[], wanted: number): Buffer[] =>
  fields.filter(({ tag }) => tag === wanted).map(({ content }) => content);

function numberOf({ tag, content }: Element): number {
  if (tag !== TAG.integer) throw new Error('no number');
  return content.readIntBE(0, content.length);
}

const isOnly = (numbers: number[], wanted: number): boolean =>
  numbers.length > 0 && numbers.every((each) => each === wanted);
