import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, ProblemError, uuidV7, type Caller, type Clock } from '#libs/kernel';
import {
  Claims,
  DataKeys,
  Fingerprint,
  OnboardingService,
  OnboardingStore,
  StepOutcome,
  Steps,
  Subjects,
  fromNow,
  sealRequests,
  isEnded,
  nextActionOf,
  sql,
  type Asked,
  type Patch,
  type Row,
  type SubjectRef,
  type Terms,
} from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';
import { Integrations, type Integration, type OtpProof } from '#libs/upstream';
import { SendOtpStep } from './send-otp.step.js';

export interface Start {
  integration?: string | undefined;
  subject: unknown;
  externalRef?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  supersede?: boolean | undefined;
  /** Options of the code, where the provider has a choice. */
  otp?: unknown;
}

export interface Resend {
  reason?: string | undefined;
  /** Options of this sending only, e.g. the token of a captcha. */
  otp?: unknown;
}

/** How often a start is tried again whose subject's live onboarding has just changed or ended. */
const TRIES = 5;

/** Steps 1 and 2: sending, sending again, verifying. */
@Injectable()
export class OtpService {
  constructor(
    private readonly claims: Claims,
    private readonly outcome: StepOutcome,
    private readonly store: OnboardingStore,
    private readonly onboardings: OnboardingService,
    private readonly steps: Steps,
    private readonly sending: SendOtpStep,
    private readonly integrations: Integrations,
    private readonly fingerprint: Fingerprint,
    private readonly dataKeys: DataKeys,
    private readonly subjects: Subjects,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Whom a start is about, without doing anything.
   *
   * @throws ProblemError `validation_failed` as {@link start} would.
   */
  subjectOf(start: Pick<Start, 'integration' | 'subject'>): SubjectRef {
    const integration = this.#integration(start.integration);
    const parsed = integration.provider.parseSubject(start.subject);
    return { integration: integration.name, subjectKey: this.subjects.keyOf(parsed) };
  }

  /**
   * Creates an onboarding and has its first code sent.
   *
   * @throws ProblemError `onboarding_live` where the subject has one already, unless it is to be superseded.
   */
  async start(start: Start, terms: Terms): Promise<Row> {
    const integration = this.#integration(start.integration);
    const parsed = integration.provider.parseSubject(start.subject);
    const { choice, once } = integration.provider.parseOtpChoice(start.otp, parsed.subject);
    const ref = { integration: integration.name, subjectKey: this.subjects.keyOf(parsed) };
    let superseded: Row | null = null;
    for (let tries = 0; tries < TRIES; tries++) {
      const claimedAtMs = this.clock.monotonicMs();
      const id = uuidV7(this.clock.nowMs());
      const { patch: dataKey, sealer } = this.dataKeys.fresh(id);
      const first = this.claims.firstAttempt('init-otp', this.fingerprint.of(id, ref.subjectKey));
      const row = {
        id,
        caller: terms.caller.name,
        ...ref,
        provider: integration.provider.kind,
        ...dataKey,
        ...this.subjects.columnsOf(id, sealer, parsed),
        otpChoice: choice,
        externalRef: start.externalRef ?? null,
        metadata: start.metadata ?? {},
        attempt: 1,
        submission: 1,
        lifeEndsAt: fromNow(this.config.ONBOARDING_LIFE_MS),
        ...first.patch,
        ...(Object.keys(once).length > 0 && { sealedRequests: sealRequests(sealer, id, once) }),
      };
      const events = [{ type: 'created', actor: 'caller' } as const, ...first.events];
      const created = await this.store.create(row, events, [
        ...(terms.along ? [terms.along] : []),
        // One statement: a start that a key or a budget refuses does not take the live onboarding with it.
        ...(superseded ? this.onboardings.superseding(superseded) : []),
        ...first.clauses,
      ]);
      if (typeof created === 'object') {
        this.dataKeys.handOver({ id, ...dataKey }, created);
        return this.outcome.of({ row: created, claimedAtMs }, terms.waitMs);
      }
      // Who lost the answer to a start is told of its onboarding, even where no budget would allow another.
      superseded = await this.#inTheWay(ref, start.supersede ?? false, terms.caller);
      if (created === 'refused') await this.steps.get('init-otp').explainRefusal?.(ref);
    }
    throw new ProblemError('onboarding_live', {
      detail: 'Another start for this subject is under way; try again.',
      retryable: true,
    });
  }

  /**
   * Has a new code sent. The old one stays good only if the new one certainly was not sent.
   *
   * @throws ProblemError `validation_failed` if `otp` has more than the options of one sending.
   */
  async resend(id: string, { reason, otp }: Resend, terms: Terms): Promise<Row> {
    const asked = {
      signal: 'otp_resend_asked',
      step: 'init-otp',
      from: ['otp_sent', 'otp_needed', 'outcome_unknown'],
      terms,
    } satisfies Asked;
    const seen = otp === undefined ? null : await this.onboardings.load(id, terms.caller);
    const once = seen ? this.#onceOf(seen, otp, asked) : {};
    const claimed = await this.claims.submit({
      id,
      ...asked,
      where: [() => 'o.otp_resend_at <= clock_timestamp()'],
      explain: (row) => this.sending.explainResend(row),
      // A lost verification is settled by a new code; a passkey that may exist is not.
      patch: {
        ...this.sending.keptCode(),
        ...once,
        unresolved: sql(`jsonb_path_query_array(o.unresolved, '$[*] ? (@.step != "verify-otp")')`),
      },
      ...(reason && { data: { reason } }),
      fingerprint: this.fingerprint.of(id, 'init-otp'),
    });
    if (seen) this.dataKeys.handOver(seen, claimed.row);
    return this.outcome.of(claimed, terms.waitMs);
  }

  /** Seals the options of a resend's one sending. The start has already chosen the form of a code. */
  #onceOf(row: Row, otp: unknown, asked: Asked): Patch {
    this.claims.mustAllow(row, asked);
    const { provider } = this.#configured(row);
    const { choice, once } = provider.parseOtpChoice(otp, row.subject);
    const chosen = Object.keys(choice);
    if (chosen.length > 0) {
      const detail = 'is chosen when the onboarding starts';
      throw new ProblemError('validation_failed', {
        detail: 'A resend takes what is good for one sending only.',
        errors: chosen.map((name) => ({ pointer: `/otp/${name}`, code: 'not_supported', detail })),
      });
    }
    return Object.keys(once).length > 0
      ? { sealedRequests: sealRequests(this.dataKeys.of(row), row.id, once) }
      : {};
  }

  #configured({ integration: name }: Row): Integration {
    const integration = this.integrations.find(name);
    if (integration) return integration;
    // The request may hold something that must not be kept.
    throw new ProblemError('not_ready', {
      detail: `Integration ${name} is not configured here: an operator must put it back.`,
      retryAfterS: 60,
    });
  }

  /**
   * @param proof the code as the user typed it, or as the user's device has encrypted it.
   * @throws ProblemError `validation_failed` where the integration takes the other form.
   */
  async verify(id: string, proof: OtpProof, terms: Terms): Promise<Row> {
    const row = await this.onboardings.load(id, terms.caller);
    this.#mustTake(row, proof);
    const given = proof.type === 'code' ? proof.code.reveal() : proof.encryptedOtpBundle;
    const claimed = await this.claims.submit({
      id,
      terms,
      signal: 'otp_submitted',
      step: 'verify-otp',
      from: ['otp_sent'],
      where: [() => 'o.otp_tries_left > 0'],
      patch: { sealedOtpCode: this.dataKeys.of(row).seal({ onboardingId: id, field: 'otp_code' }, given) },
      fingerprint: this.fingerprint.of(id, given),
      // The day has the word before the code: a new code would not help.
      explain: async (seen) => {
        await this.steps.get('verify-otp').explainRefusal?.(seen, seen);
        noTriesLeft(seen);
      },
    });
    this.dataKeys.handOver(row, claimed.row);
    return this.outcome.of(claimed, terms.waitMs);
  }

  #mustTake(row: Row, { type }: OtpProof): void {
    // Where all take the same form, it need not be known which one it is.
    if (this.integrations.all().every((integration) => takenBy(integration) === type)) return;
    if (takenBy(this.#configured(row)) === type) return;
    const [pointer, detail] =
      type === 'code'
        ? ['/code', 'The code must not come here: the user’s device encrypts it to otp.targetBundle.']
        : ['/encryptedOtpBundle', 'This integration takes the code itself.'];
    throw new ProblemError('validation_failed', {
      detail,
      errors: [{ pointer, code: 'not_supported', detail }],
    });
  }

  #integration(name: string | undefined): Integration {
    const found = name === undefined ? this.integrations.only() : this.integrations.find(name);
    if (found) return found;
    const detail =
      name === undefined ? 'Several integrations are configured: name one.' : 'There is no such integration.';
    throw new ProblemError('validation_failed', {
      detail,
      errors: [{ pointer: '/integration', code: 'unknown_integration', detail }],
    });
  }

  /** @returns the subject's live onboarding, to be superseded; null where it has ended meanwhile. */
  async #inTheWay(ref: SubjectRef, supersede: boolean, caller: Caller): Promise<Row | null> {
    const live = await this.store.findLive(ref.integration, ref.subjectKey);
    if (!live) return null;
    const row = await this.onboardings.settleExpiry(live.id);
    if (isEnded(row.state)) return null;
    if (row.caller !== caller.name) {
      throw new ProblemError('onboarding_live', {
        detail: 'The subject has a live onboarding of another caller. It must end before another starts.',
      });
    }
    if (supersede) return row;
    throw new ProblemError('onboarding_live', {
      detail: 'The subject has a live onboarding. Go on with it, cancel it, or start with "supersede": true.',
      extensions: { onboardingId: row.id },
    });
  }
}

function noTriesLeft(row: Row): void {
  if (row.otpTriesLeft > 0) return;
  throw new ProblemError('otp_locked', {
    detail: 'No tries are left for this code. Ask for a new one.',
    extensions: { state: row.state, attemptsLeft: 0, nextAction: nextActionOf(row) },
  });
}

const takenBy = ({ provider }: Integration): OtpProof['type'] =>
  provider.custody === 'client' ? 'encrypted-code' : 'code';
