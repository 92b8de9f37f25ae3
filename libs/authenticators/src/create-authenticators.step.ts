import { Injectable, type OnModuleInit } from '@nestjs/common';
import {
  DataKeys,
  Steps,
  openGrant,
  type AuthenticatorSummary,
  type Row,
  type Step,
  type StepEnd,
} from '#libs/onboarding';
import type {
  Call,
  DeviceRequest,
  NewAuthenticator,
  RejectionReason,
  UpstreamError,
  UpstreamProvider,
} from '#libs/upstream';
import type { AttestationCode } from './attestation-error.js';
import { Credentials } from './credentials.js';

/** Step 3: registers the passkeys in the session. A lost answer may have added them. */
@Injectable()
export class CreateAuthenticatorsStep implements Step, OnModuleInit {
  readonly name = 'create-authenticators';

  constructor(
    private readonly credentials: Credentials,
    private readonly steps: Steps,
    private readonly dataKeys: DataKeys,
  ) {}

  onModuleInit(): void {
    this.steps.register(this);
  }

  async call(provider: UpstreamProvider, call: Call, row: Row): Promise<StepEnd> {
    const sealer = this.dataKeys.of(row);
    const sealed = sealer.open({ onboardingId: row.id, field: 'authenticators' }, row.sealedAuthenticators!);
    const { authenticators, device } = opened(sealed);
    const grant = openGrant(sealer, row.id, row.sealedGrant!);
    const ids = await provider.createAuthenticators(call, row.subject, grant, authenticators, device);
    return {
      signal: 'authenticators_created',
      ...this.#registered(row, ids),
      data: { authenticatorIds: ids, ...(ids === null && { unmapped: true }) },
    };
  }

  rejected(row: Row, error: UpstreamError): StepEnd {
    const clauses = [this.credentials.release];
    if (error.reason === 'session_expired') {
      return { ...this.#sessionOver('The provider does not take the session any more.'), clauses };
    }
    if (error.reason === 'consensus_needed' || error.reason === 'mfa_needed') {
      const detail = 'A policy at the provider stands in the way: its administrator must change it.';
      const result = { code: error.reason, detail };
      return { signal: 'authenticators_rejected', patch: { pendingAuthenticators: [] }, result, clauses };
    }
    const why = error.reason && REFUSALS[error.reason];
    const result = why
      ? {
          code: 'attestation_invalid' as const,
          detail: why.detail,
          errors: [{ pointer: row.deviceSigning ? '/device' : '/authenticators', ...why }],
        }
      : {
          code: 'upstream_rejected' as const,
          detail:
            error.reason === 'resource_limit'
              ? 'A limit at the provider keeps the passkeys from being registered.'
              : 'The provider refused the passkeys and did not say why.',
        };
    return { signal: 'authenticators_rejected', patch: { pendingAuthenticators: [] }, result, clauses };
  }

  gaveUp(): StepEnd {
    const clauses = [this.credentials.release];
    return { ...this.#sessionOver('The session ended before the provider could be reached.'), clauses };
  }

  /** Nobody can name the provider's ids any more. */
  resolvedDone(row: Row, ids: string[] | null) {
    return this.#registered(row, ids);
  }

  #registered(row: Row, ids: string[] | null) {
    const createdAt = new Date().toISOString();
    const authenticators = row.pendingAuthenticators.map((pending: AuthenticatorSummary, index) => ({
      id: ids?.[index] ?? null,
      ...pending,
      createdAt,
    }));
    return {
      patch: { authenticators: [...row.authenticators, ...authenticators], pendingAuthenticators: [] },
      clauses: [this.credentials.confirm],
    };
  }

  #sessionOver(detail: string): StepEnd {
    return {
      signal: 'session_expired',
      patch: { reason: 'session_expired', pendingAuthenticators: [] },
      result: { code: 'session_expired', detail },
    };
  }
}

const REFUSALS: Partial<Record<RejectionReason, { code: AttestationCode; detail: string }>> = {
  attestation_invalid: { code: 'upstream_refused', detail: 'The provider did not accept the attestation.' },
  credential_already_registered: {
    code: 'credential_already_registered',
    detail: 'The provider has this passkey already.',
  },
  subject_not_found: { code: 'upstream_refused', detail: 'The provider knows no such user (any more).' },
  authenticator_limit: {
    code: 'upstream_refused',
    detail: 'The provider takes no more passkeys for this user.',
  },
};

/** The content as it was submitted. The version before this one sealed the bare list of passkeys. */
function opened(sealed: string): { authenticators: NewAuthenticator[]; device?: DeviceRequest } {
  const content = JSON.parse(sealed) as NewAuthenticator[] | { authenticators: NewAuthenticator[] };
  return Array.isArray(content) ? { authenticators: content } : content;
}
