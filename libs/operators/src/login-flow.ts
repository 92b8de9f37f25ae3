import { randomBytes } from 'node:crypto';
import { equalInConstantTime } from '#libs/kernel';
import type { KeyedHash } from '#libs/platform';

const FLOW_LIFE_MS = 10 * 60_000;
/**
 * The most base64url characters of the path that a login returns to. A longer path leads to the first page.
 */
const LONGEST_NEXT = 1_024;
const FLOW = new RegExp(`^[\\w-]{22}\\.(\\d{13})\\.([\\w-]{0,${LONGEST_NEXT}})$`);

/** The values that bind a login at the identity provider to one browser. */
export interface LoginFlow {
  /** The browser's cookie. */
  flow: string;
  state: string;
  nonce: string;
  /** The PKCE code verifier (RFC 7636). */
  verifier: string;
  next: string;
  expiresAtMs: number;
}

/**
 * State, nonce and verifier are keyed hashes of the cookie. Therefore the cookie contains no secret, and a
 * matching state proves that the console wrote the cookie.
 */
export function beginFlow(hash: KeyedHash, next: string, nowMs: number): LoginFlow {
  const seed = randomBytes(16).toString('base64url');
  const expiresAtMs = nowMs + FLOW_LIFE_MS;
  const encoded = Buffer.from(next).toString('base64url');
  const kept = encoded.length <= LONGEST_NEXT ? encoded : '';
  return derived(hash, `${seed}.${expiresAtMs}.${kept}`, expiresAtMs, next);
}

/** @returns null if the cookie is missing, altered or expired, or does not belong to this state. */
export function findFlow(
  hash: KeyedHash,
  flow: string | null,
  state: string | null,
  nowMs: number,
): LoginFlow | null {
  const [, expiry, next] = FLOW.exec(flow ?? '') ?? [];
  if (flow === null || next === undefined || state === null) return null;
  const found = derived(hash, flow, Number(expiry), Buffer.from(next, 'base64url').toString());
  return equalInConstantTime(state, found.state) && nowMs < found.expiresAtMs ? found : null;
}

function derived(hash: KeyedHash, flow: string, expiresAtMs: number, next: string): LoginFlow {
  const hashFor = (purpose: string) => hash.digest(`login ${purpose}`, flow).toString('base64url');
  return {
    flow,
    state: hashFor('state'),
    nonce: hashFor('nonce'),
    verifier: hashFor('verifier'),
    next,
    expiresAtMs,
  };
}
