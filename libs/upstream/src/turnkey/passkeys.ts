import { z } from 'zod';
import { UpstreamError } from '../port/upstream-error.js';
import { opaqueId, opaqueIds } from '../transport/opaque.js';
import type { OneTry } from '../transport/one-try.js';
import type { Stamper, TurnkeyApi } from './turnkey-api.js';

export interface NewPasskeys {
  organizationId: string;
  userId: string;
  /** In the order of the passkeys in the body, in base64url without padding. */
  credentialIds: readonly string[];
  body: string;
  stamper: Stamper;
  reader: Stamper | null;
  /** Whether an earlier try may have sent these bytes. */
  repeated: boolean;
}

/** Each request contains passkeys, so an answer without ids cannot be complete. */
const created = z.object({ authenticatorIds: opaqueIds.min(1) });
const stored = z.object({
  authenticators: z.array(z.object({ authenticatorId: opaqueId, credentialId: z.string() })),
});

/** After a lost answer, this class looks up the passkeys. */
export class Passkeys {
  constructor(private readonly api: TurnkeyApi) {}

  async create(oneTry: OneTry, passkeys: NewPasskeys): Promise<string[] | null> {
    const { body, stamper, reader, credentialIds } = passkeys;
    try {
      const { authenticatorIds } = await this.api.submit(oneTry, {
        path: 'create_authenticators',
        body,
        stamper,
        reader,
        result: 'createAuthenticatorsResult',
        schema: created,
        organization: 'sub',
        tokenOver: 'session_expired',
      });
      return authenticatorIds.length === credentialIds.length ? authenticatorIds : null;
    } catch (error) {
      if (!(error instanceof UpstreamError) || !mayHaveBeenDone(error, passkeys)) throw error;
      const found = await this.#readBack(oneTry, passkeys);
      if (Array.isArray(found)) return found;
      if (error.failure !== 'rejected' || !passkeys.repeated || found === 'absent') throw error;
      const detail = 'the session cannot register passkeys now, but an earlier try may have registered them';
      throw new UpstreamError('no_answer', { detail, evidence: error.evidence, cause: error });
    }
  }

  /** `absent`: Turnkey lacks one of the passkeys. `unknown`: the look-up failed. */
  async #readBack(oneTry: OneTry, passkeys: NewPasskeys): Promise<string[] | 'absent' | 'unknown'> {
    const { organizationId, userId, credentialIds, reader } = passkeys;
    if (!reader || oneTry.leftMs <= 0) return 'unknown';
    try {
      const { authenticators } = await this.api.query(oneTry, {
        path: 'get_authenticators',
        parameters: { organizationId, userId },
        stamper: reader,
        schema: stored,
        organization: 'sub',
      });
      const ids = new Map(authenticators.map((one) => [one.credentialId, one.authenticatorId]));
      const found = credentialIds.flatMap((credentialId) => ids.get(credentialId) ?? []);
      return found.length === credentialIds.length ? found : 'absent';
    } catch (error) {
      if (error instanceof UpstreamError) return 'unknown';
      throw error;
    }
  }
}

function mayHaveBeenDone({ failure, reason, evidence }: UpstreamError, { repeated }: NewPasskeys): boolean {
  // Turnkey checks the session's rights first, so such a refusal does not show whether an earlier try
  // succeeded.
  const lacksRights =
    reason === 'session_expired' || (repeated && failure === 'rejected' && evidence.status === 403);
  return failure === 'unavailable' || failure === 'no_answer' || lacksRights;
}
