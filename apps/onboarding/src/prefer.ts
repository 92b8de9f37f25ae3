import { listMembers } from '#libs/kernel';

const DEFAULT_WAIT_S = 10;
const MAX_WAIT_S = 30;

/** The preferences (RFC 7240) that the service applies. */
export interface Preferences {
  /** How long the caller waits for a step's end. */
  waitMs: number;
  /** The value of `Preference-Applied`; null if the request has no known preference. */
  applied: string | null;
}

/**
 * Ignores unknown preferences and invalid values (RFC 7240 §4.1 and §4.3). `respond-async` alone means no
 * wait.
 */
export function preferencesOf(header: string | undefined): Preferences {
  const given = parse(header ?? '');
  const isAsync = given.get('respond-async') === '';
  const asked = given.get('wait') ?? '';
  const waitS = /^\d+$/.test(asked) ? Math.min(Number(asked), MAX_WAIT_S) : null;
  const applied = [...(isAsync ? ['respond-async'] : []), ...(waitS === null ? [] : [`wait=${waitS}`])];
  return {
    waitMs: (waitS ?? (isAsync ? 0 : DEFAULT_WAIT_S)) * 1_000,
    applied: applied.length > 0 ? applied.join(', ') : null,
  };
}

/** Long runs of blanks would make the match slow, so `parse` shortens them. */
const PREFERENCE =
  /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]*)))?\s*(?:;.*)?$/s;

/** The first value of a name counts. An empty value means the same as no value (RFC 7240 §2). */
function parse(header: string): Map<string, string> {
  const preferences = new Map<string, string>();
  for (const member of listMembers(header)) {
    const [, name, quoted, plain = ''] = PREFERENCE.exec(member.replaceAll(/\s+/g, ' ')) ?? [];
    if (name === undefined) continue;
    const key = name.toLowerCase();
    if (!preferences.has(key)) preferences.set(key, quoted?.replaceAll(/\\(.)/g, '$1') ?? plain);
  }
  return preferences;
}
