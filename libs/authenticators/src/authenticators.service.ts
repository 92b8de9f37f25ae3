import { Injectable } from '@nestjs/common';
import type { PublicKeyCredentialCreationOptionsJSON } from '@simplewebauthn/server';
import { ProblemError } from '#libs/kernel';
import {
  Claims,
  DataKeys,
  Fingerprint,
  OnboardingStore,
  FirstAttempt,
  notFound,
  type AuthenticatorSummary,
  type Claimed,
  type ForPasskeys,
  type Row,
  type Terms,
} from '#libs/onboarding';
import type { PasskeyPolicy } from '#libs/platform';
import { Integrations, type DeviceRequest, type Integration, type NewAuthenticator } from '#libs/upstream';
import {
  PreflightError,
  attestationInvalid,
  check,
  noRoomForAuthenticators,
  type AttestationFault,
} from './attestation-error.js';
import { Challenges } from './challenges.js';
import { creationOptions, timeoutOf, type PasskeyUser } from './creation-options.js';
import { Credentials } from './credentials.js';
import { eachPasskey } from './each-passkey.js';
import { preflight, readAnswer, type Answered } from './preflight.js';
import {
  asNewAuthenticator,
  asRegistration,
  asSubmitted,
  type SubmittedAuthenticator,
} from './submitted-authenticator.js';

export type Submitted =
  | { authenticators: SubmittedAuthenticator[]; device?: undefined }
  | { device: DeviceRequest; authenticators?: undefined };

interface Checked {
  authenticators: NewAuthenticator[];
  summaries: AuthenticatorSummary[];
}

const CREATION = { signal: 'authenticators_submitted', step: 'create-authenticators' } as const;

/** Step 3 (passkeys): challenges, checks before the session is used, and registration. */
@Injectable()
export class AuthenticatorsService {
  constructor(
    private readonly store: OnboardingStore,
    private readonly claims: Claims,
    private readonly outcome: FirstAttempt,
    private readonly integrations: Integrations,
    private readonly challenges: Challenges,
    private readonly credentials: Credentials,
    private readonly fingerprint: Fingerprint,
    private readonly dataKeys: DataKeys,
  ) {}

  /**
   * Issues a challenge, and returns the options with which a browser creates one passkey.
   * @throws ProblemError `attestation_invalid` if the integration allows the user no further passkey
   */
  async options(
    id: string,
    user: PasskeyUser,
    terms: Terms,
  ): Promise<PublicKeyCredentialCreationOptionsJSON> {
    const issued = await this.challenges.issue(id, terms);
    if (!issued) return this.#refuseOptions(id, terms);
    const { row, registered: known, challenge } = issued;
    const timeout = timeoutOf(row, this.challenges.lifeMs);
    return creationOptions({ policy: this.#policy(row), subject: row, user, challenge, known, timeout });
  }

  async #refuseOptions(id: string, terms: Terms): Promise<never> {
    const { row, registered } = await this.#find(id);
    this.claims.mustAllow(row, { ...CREATION, terms });
    if (registered.length >= this.#policy(row).maxAuthenticators) throw noRoomForAuthenticators();
    throw new ProblemError('illegal_state', {
      detail: 'The service could not issue a challenge. Send the request again.',
      retryable: true,
    });
  }

  /**
   * Checks passkeys, and begins the attempt to register them. If an attestation was decoded and no attempt
   * begins, each challenge loses one of its tries.
   *
   * @throws ProblemError `attestation_invalid` with the failed check of each passkey
   */
  async submit(id: string, submission: Submitted, terms: Terms): Promise<Row> {
    const claimed = await this.challenges.whileChecking(`${terms.caller.name} ${id}`, (ahead) =>
      this.#claim(id, submission, terms, ahead),
    );
    return this.outcome.runAndWait(claimed, terms);
  }

  async #claim(id: string, submission: Submitted, terms: Terms, ahead: number): Promise<Claimed> {
    const { row, outstanding } = await this.#find(id);
    // Before the checks, because faults of the passkeys do not matter if the onboarding accepts none.
    this.claims.mustAllow(row, { ...CREATION, terms });
    const { submitted, device } = this.#read(row, submission);
    const answers = await this.#readAnswers(row, submitted, outstanding);
    const challenges = answers.map(({ challenge }) => challenge);
    let isDecoded = false;
    const mayTry = (challenge: string) => {
      const may = !this.challenges.isExhausted(outstanding.get(challenge)!, ahead);
      isDecoded ||= may;
      return may;
    };
    try {
      const { authenticators, summaries } = await this.#check(row, submitted, answers, mayTry);
      const content = JSON.stringify({ authenticators, ...(device && { device }) });
      const toWrite = {
        sealedAuthenticators: this.dataKeys
          .sealerOf(row)
          .seal({ onboardingId: id, field: 'authenticators' }, content),
        pendingAuthenticators: summaries,
        challenges,
        maxAuthenticators: this.#policy(row).maxAuthenticators,
      };
      const claimed = await this.claims.submit({
        id,
        terms,
        ...CREATION,
        fingerprint: this.fingerprint.compute(id, content),
        write: (given) => this.store.claimAuthenticators(given, toWrite),
        mustFit: () => this.#mustBeFree(row, authenticators),
      });
      this.dataKeys.handOver(row, claimed.row);
      return claimed;
    } catch (error) {
      // Any refusal counts, because even one for a reused idempotency key comes after the costly checks.
      if (isDecoded && error instanceof ProblemError) await this.challenges.countFailure(id, challenges);
      throw error;
    }
  }

  async #find(id: string): Promise<ForPasskeys> {
    const found = await this.store.findForPasskeys(id);
    if (!found) throw notFound(id);
    return found;
  }

  /** Returns the submitted passkeys, or those in the request that the user's device has signed. */
  #read(
    row: Row,
    { authenticators, device }: Submitted,
  ): { submitted: SubmittedAuthenticator[]; device?: DeviceRequest } {
    // The row says who holds the session's key. The setting may have changed since the onboarding began.
    if (!row.deviceSigning && authenticators) return { submitted: authenticators };
    if (!row.deviceSigning || !device) {
      const detail = row.deviceSigning
        ? 'The user’s device holds the key of the session. Let the device sign the request.'
        : 'No device holds the key of this session. Send the passkeys themselves, as authenticators.';
      throw new ProblemError('validation_failed', {
        detail,
        errors: [
          { pointer: row.deviceSigning ? '/authenticators' : '/device', code: 'not_supported', detail },
        ],
      });
    }
    const { provider } = this.#integration(row);
    const read = provider.readDeviceRequest(device, row.deviceSigning);
    return { submitted: read.map(asSubmitted), device };
  }

  /** The cheap checks, which decode no attestation. */
  async #readAnswers(
    row: Row,
    submitted: SubmittedAuthenticator[],
    outstanding: ForPasskeys['outstanding'],
  ): Promise<Answered[]> {
    const seen = new Set<string>();
    return eachPasskey(row, submitted, (each) => {
      const answer = readAnswer(asRegistration(each).response);
      const { challenge } = answer;
      check(outstanding.has(challenge), 'challenge_mismatch');
      if (!isAsSubmitted(each, challenge)) {
        throw new PreflightError(
          'challenge_mismatch',
          'The challenge differs from the challenge in the client data.',
        );
      }
      check(!seen.has(challenge), 'credential_duplicate');
      seen.add(challenge);
      return answer;
    });
  }

  async #check(
    row: Row,
    submitted: SubmittedAuthenticator[],
    answers: Answered[],
    mayTry: (challenge: string) => boolean,
  ): Promise<Checked> {
    const ids = new Set<string>();
    const checked = await eachPasskey(row, submitted, async (each, index) => {
      const { challenge } = answers[index]!;
      check(mayTry(challenge), 'challenge_mismatch');
      const passed = await preflight(asRegistration(each), answers[index]!, this.#policy(row));
      check(!ids.has(passed.credentialId), 'credential_duplicate');
      ids.add(passed.credentialId);
      return { authenticator: asNewAuthenticator(each, { ...passed, challenge }), aaguid: passed.aaguid };
    });
    return {
      authenticators: checked.map(({ authenticator }) => authenticator),
      summaries: checked.map(({ authenticator: { name, credentialId, transports }, aaguid }) => ({
        name,
        credentialId,
        aaguid,
        transports,
      })),
    };
  }

  /** @throws ProblemError that says why PostgreSQL refused the attempt */
  async #mustBeFree(row: Row, authenticators: NewAuthenticator[]): Promise<void> {
    const ids = authenticators.map(({ credentialId }) => credentialId);
    const taken = await this.credentials.taken(row.integration, ids);
    const { outstanding, registered } = await this.#find(row.id);
    const room = this.#policy(row).maxAuthenticators - registered.length;
    const faults = authenticators.flatMap(({ credentialId, challenge }, index): AttestationFault[] => {
      if (taken.has(credentialId)) return [{ index, code: 'credential_already_registered' }];
      if (index >= room) return [{ index, code: 'too_many_authenticators' }];
      return outstanding.has(challenge) ? [] : [{ index, code: 'challenge_mismatch' }];
    });
    if (faults.length > 0) throw attestationInvalid(faults, row.deviceSigning !== null);
  }

  /** The present policy, which may have changed since the challenge was issued. */
  #policy(row: Row): PasskeyPolicy {
    return this.#integration(row).config.passkeys;
  }

  #integration(row: Row): Integration {
    const integration = this.integrations.find(row.integration);
    if (integration) return integration;
    throw new ProblemError('not_ready', {
      detail: `Integration ${row.integration} is not in the configuration. An operator must add it again.`,
      retryAfterS: 60,
    });
  }
}

/** A passkey in a provider's format contains its challenge twice. Both copies must be equal. */
const isAsSubmitted = (each: SubmittedAuthenticator, challenge: string) =>
  !('challenge' in each) || each.challenge === challenge;
