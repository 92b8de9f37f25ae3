import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, ProblemError, uuidV7, type Caller, type Clock } from '#libs/kernel';
import {
  Claims,
  DataKeys,
  Fingerprint,
  OnboardingService,
  OnboardingStore,
  FirstAttempt,
  Steps,
  Subjects,
  isEnded,
  move,
  sealRequests,
  statesFor,
  type Asked,
  type Row,
  type SubjectRef,
  type Terms,
} from '#libs/onboarding';
import { CONFIG, Sealer, type Config } from '#libs/platform';
import { Integrations, type Integration, type OtpProof } from '#libs/upstream';
import { SendOtpStep } from './send-otp.step.js';

export interface Start {
  integration?: string | undefined;
  subject: unknown;
  externalRef?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  supersede?: boolean | undefined;
  otp?: unknown;
}

export interface Resend {
  reason?: string | undefined;
  /** Options for the next code only, e.g. a captcha token. */
  otp?: unknown;
}

/** How often a start is tried if the subject's live onboarding changes or ends during each try. */
const TRIES = 5;

@Injectable()
export class OtpService {
  constructor(
    private readonly claims: Claims,
    private readonly outcome: FirstAttempt,
    private readonly store: OnboardingStore,
    private readonly onboardings: OnboardingService,
    private readonly steps: Steps,
    private readonly sending: SendOtpStep,
    private readonly integrations: Integrations,
    private readonly fingerprint: Fingerprint,
    private readonly dataKeys: DataKeys,
    private readonly subjects: Subjects,
    private readonly ring: Sealer,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws ProblemError `validation_failed` as {@link start} would. */
  subjectOf(start: Pick<Start, 'integration' | 'subject'>): SubjectRef {
    const integration = this.#integration(start.integration);
    const parsed = integration.provider.parseSubject(start.subject);
    return { integration: integration.name, subjectKey: this.subjects.keyOf(parsed) };
  }

  /**
   * @throws ProblemError `onboarding_live` if the subject already has a live onboarding and `supersede` is
   *   not set.
   */
  async start(start: Start, terms: Terms): Promise<Row> {
    const integration = this.#integration(start.integration);
    const parsed = integration.provider.parseSubject(start.subject);
    const { choice, once } = integration.provider.parseOtpChoice(start.otp, parsed.subject);
    const ref = { integration: integration.name, subjectKey: this.subjects.keyOf(parsed) };
    let inTheWay: InTheWay = {};
    for (let tries = 0; tries < TRIES; tries++) {
      const id = uuidV7(this.clock.nowMs());
      const { patch: dataKey, sealer } = this.dataKeys.fresh(id);
      const started = {
        id,
        caller: terms.caller.name,
        integration: integration.name,
        provider: integration.provider.kind,
        ...dataKey,
        ...this.subjects.columnsOf(id, sealer, parsed),
        otpChoice: choice,
        externalRef: start.externalRef ?? null,
        metadata: start.metadata ?? {},
        sealedRequests: Object.keys(once).length > 0 ? sealRequests(sealer, id, once) : null,
        fingerprint: this.fingerprint.compute(id, ref.subjectKey),
      };
      // One statement starts and supersedes, so that the live onboarding stays if the idempotency key or a
      // budget forbids the start.
      const earlier = inTheWay;
      const claimed = await this.claims.claim(id, ref, (claim) =>
        this.store.start(started, claim, terms.key, earlier),
      );
      if (claimed) {
        this.dataKeys.handOver({ id, ...dataKey }, claimed.row);
        return this.outcome.runAndWait(claimed, terms);
      }
      // A live onboarding is reported before a used-up budget: a caller that lost the answer to its start
      // needs the id.
      inTheWay = await this.#inTheWay(ref, start.supersede ?? false, terms.caller);
      await this.steps.get('init-otp').mustHaveRoom?.(ref);
    }
    throw new ProblemError('onboarding_live', {
      detail: 'Another start for this subject is in progress. Send the request again.',
      retryable: true,
    });
  }

  /**
   * Sends another code. The old code stays valid only if the new one was certainly not sent.
   *
   * @throws ProblemError `validation_failed` if `otp` has an option that only a start may choose.
   */
  resend(id: string, resend: Resend, terms: Terms): Promise<Row> {
    return this.#resend(id, resend, terms);
  }

  /** Resends for an operator who does not own the onboarding. The timeline names the operator. */
  resendAsOperator(id: string, reason: string, terms: Terms): Promise<Row> {
    return this.#resend(id, { reason }, terms, terms.caller.name);
  }

  /** @param operator undefined if the onboarding's own caller asks. */
  async #resend(id: string, { reason, otp }: Resend, terms: Terms, operator?: string): Promise<Row> {
    const asked: Asked = {
      signal: 'otp_resend_asked',
      step: 'init-otp',
      terms,
      ...(operator !== undefined && { by: 'owner-or-operator' }),
    };
    const data = { ...(operator !== undefined && { by: operator }), ...(reason && { reason }) };
    const seen = otp === undefined ? null : await this.onboardings.load(id, terms.caller);
    const sealedRequests = seen && this.#onceOf(seen, otp, asked);
    const claimed = await this.claims.submit({
      id,
      ...asked,
      terms,
      fingerprint: this.fingerprint.compute(id, 'init-otp'),
      write: (given) =>
        this.store.claimSend(given, {
          states: statesFor('otp_resend_asked'),
          events: [
            {
              type: 'otp_resend_asked',
              actor: 'caller',
              ...(Object.keys(data).length > 0 && { data }),
            },
          ],
          sealedRequests,
        }),
      mustFit: (row) => this.sending.mustBeDue(row),
    });
    if (seen) this.dataKeys.handOver(seen, claimed.row);
    return this.outcome.runAndWait(claimed, terms);
  }

  #onceOf(row: Row, otp: unknown, asked: Asked): Buffer | null {
    this.claims.mustAllow(row, asked);
    const { provider } = this.#configured(row);
    const { choice, once } = provider.parseOtpChoice(otp, row.subject);
    const chosen = Object.keys(choice);
    if (chosen.length > 0) {
      throw new ProblemError('validation_failed', {
        detail: 'These options are set when the onboarding starts. A resend cannot change them.',
        errors: chosen.map((name) => ({
          pointer: `/otp/${name}`,
          code: 'not_supported',
          detail: `The option ${name} can be given only when the onboarding starts.`,
        })),
      });
    }
    return Object.keys(once).length > 0 ? sealRequests(this.dataKeys.sealerOf(row), row.id, once) : null;
  }

  #configured({ integration: name }: Row): Integration {
    const integration = this.integrations.find(name);
    if (integration) return integration;
    // Without the integration, it is unknown which form of code may be stored.
    throw new ProblemError('not_ready', {
      detail: `Integration ${name} is not in the configuration. An operator must add it again.`,
      retryAfterS: 60,
    });
  }

  /** @throws ProblemError `validation_failed` if the integration takes the other form of code. */
  async verify(id: string, proof: OtpProof, terms: Terms): Promise<Row> {
    const secretText = proof.type === 'code' ? proof.code.reveal() : proof.encryptedOtpBundle;
    // Sealed by the ring: the row's data key would need another read, and the code is stored only for
    // minutes.
    const sealedOtpCode = this.ring.seal({ onboardingId: id, field: 'otp_code' }, secretText);
    const taking = this.#taking(proof);
    const claimed = await this.claims.submit({
      id,
      terms,
      signal: 'otp_submitted',
      step: 'verify-otp',
      fingerprint: this.fingerprint.compute(id, secretText),
      write: (given) => this.store.claimVerify(given, sealedOtpCode, taking),
      mustFit: (row) => this.#mustTake(row, proof),
    });
    return this.outcome.runAndWait(claimed, terms);
  }

  /** @returns null if all integrations accept this form of a code. */
  #taking({ type }: OtpProof): string[] | null {
    const all = this.integrations.all();
    const taking = all.filter((integration) => takenBy(integration) === type);
    return taking.length === all.length ? null : taking.map(({ name }) => name);
  }

  #mustTake(row: Row, { type }: OtpProof): void {
    if (this.#taking({ type } as OtpProof) === null || takenBy(this.#configured(row)) === type) return;
    const [pointer, detail] =
      type === 'code'
        ? ['/code', 'Do not send the code itself: the user’s device must encrypt it to otp.targetBundle.']
        : ['/encryptedOtpBundle', 'This integration takes the code itself, not an encrypted code.'];
    throw new ProblemError('validation_failed', {
      detail,
      errors: [{ pointer, code: 'not_supported', detail }],
    });
  }

  #integration(name: string | undefined): Integration {
    const found = name === undefined ? this.integrations.only() : this.integrations.find(name);
    if (found) return found;
    const detail =
      name === undefined
        ? 'Several integrations are configured. Name one of them in integration.'
        : 'There is no such integration.';
    throw new ProblemError('validation_failed', {
      detail,
      errors: [{ pointer: '/integration', code: 'unknown_integration', detail }],
    });
  }

  /** @returns the live onboarding to supersede, or the id of an onboarding whose row is gone. */
  async #inTheWay(ref: SubjectRef, supersede: boolean, caller: Caller): Promise<InTheWay> {
    const live = await this.onboardings.latestOf(ref);
    if (!live) return {};
    const { id, row } = live;
    if (!row) return { goneId: id };
    if (isEnded(row.state)) return {};
    if (row.caller !== caller.name) {
      throw new ProblemError('onboarding_live', {
        detail: 'Another caller has a live onboarding for this subject. Wait until that onboarding ends.',
      });
    }
    if (!supersede) {
      throw new ProblemError('onboarding_live', {
        detail: 'The subject has a live onboarding. Continue it, cancel it, or start with "supersede": true.',
        extensions: { onboardingId: row.id },
      });
    }
    const at = { now: row.now, settings: this.config };
    return { superseded: { row, moved: move(row, 'cancelled', { reason: 'superseded' }, at) } };
  }
}

/** The subject's earlier onboarding, which the next try of a start takes into account. */
type InTheWay = Parameters<OnboardingStore['start']>[3];

const takenBy = ({ provider }: Integration): OtpProof['type'] =>
  provider.custody === 'client' ? 'encrypted-code' : 'code';
