import { Injectable, type OnModuleInit } from '@nestjs/common';
import {
  DataKeys,
  Steps,
  openGrant,
  type Row,
  type Step,
  type StepEnd,
  type Explanation,
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

/** Step 3. If the answer is lost, the provider may or may not have registered the passkeys. */
@Injectable()
export class CreateAuthenticatorsStep implements Step, OnModuleInit {
  readonly name = 'create-authenticators';

  constructor(
    private readonly steps: Steps,
    private readonly dataKeys: DataKeys,
  ) {}

  onModuleInit(): void {
    this.steps.register(this);
  }

  async call(provider: UpstreamProvider, call: Call, row: Row): Promise<StepEnd> {
    const sealer = this.dataKeys.sealerOf(row);
    const opened = sealer.open({ onboardingId: row.id, field: 'authenticators' }, row.sealedAuthenticators!);
    const { authenticators, device } = JSON.parse(opened) as Content;
    const grant = openGrant(sealer, row.id, row.sealedGrant!);
    const ids = await provider.createAuthenticators(call, row.subject, grant, authenticators, device);
    return { signal: 'authenticators_created', facts: { authenticatorIds: ids } };
  }

  rejected(row: Row, error: UpstreamError): StepEnd {
    if (error.reason === 'session_expired') return sessionOver('The provider no longer accepts the session.');
    return { signal: 'authenticators_rejected', facts: { result: refusal(row, error) } };
  }

  gaveUp(): StepEnd {
    return sessionOver('The session ended before the provider could be reached.');
  }
}

interface Content {
  authenticators: NewAuthenticator[];
  device?: DeviceRequest;
}

const sessionOver = (detail: string): StepEnd => ({
  signal: 'session_expired',
  facts: { result: { code: 'session_expired', detail } },
});

function refusal(row: Row, { reason }: UpstreamError): Explanation {
  if (reason === 'consensus_needed' || reason === 'mfa_needed') {
    const detail =
      'A policy at the provider forbids the registration. The administrator of that policy must change it.';
    return { code: reason, detail };
  }
  const why = reason && REFUSALS[reason];
  if (why) {
    const pointer = row.deviceSigning ? '/device' : '/authenticators';
    return { code: 'attestation_invalid', detail: why.detail, errors: [{ pointer, ...why }] };
  }
  const detail =
    reason === 'resource_limit'
      ? 'The passkeys were not registered, because of a limit at the provider.'
      : 'The provider refused the passkeys and did not say why.';
  return { code: 'upstream_rejected', detail };
}

const REFUSALS: Partial<Record<RejectionReason, { code: AttestationCode; detail: string }>> = {
  attestation_invalid: { code: 'upstream_refused', detail: 'The provider did not accept the attestation.' },
  credential_already_registered: {
    code: 'credential_already_registered',
    detail: 'This passkey is already registered at the provider.',
  },
  subject_not_found: {
    code: 'upstream_refused',
    detail: 'The provider does not know this user.',
  },
  authenticator_limit: {
    code: 'upstream_refused',
    detail: 'The provider accepts no more passkeys for this user.',
  },
};
