import { z } from 'zod';
import type { ActivityScript } from '../control/faults.js';
import { Refusal } from '../refusal.js';
import { Activities, fingerprintOf, REMEMBERED } from './activities.js';
import type { ActivityKind } from './activity-kinds.js';
import { checked, jsonObject } from './json-of.js';
import type { TurnkeyOrganization } from './organizations.js';
import { refusals } from './refusals.js';
import type { Stamper } from './stamps.js';
import type { TurnkeyState } from './turnkey-state.js';

/** How old an activity's timestamp may be, and how far ahead. */
export const OLDEST_MS = 60 * 60_000;
export const FURTHEST_AHEAD_MS = 5 * 60_000;

/** The body of a 200 answer, and the request's effect; null for a repeated request. */
export interface Submitted {
  answer: { activity: object };
  effect: object | null;
}

export interface Submission {
  /** The last segment of the path. */
  path: string;
  rawBody: Buffer;
  stamper: Stamper;
  organization: TurnkeyOrganization;
  /** Null without a fault. */
  script: ActivityScript | null;
}

const envelope = z.strictObject({
  type: z.string().startsWith('ACTIVITY_TYPE_'),
  timestampMs: z.string().regex(/^\d{1,16}$/, 'milliseconds since the Unix epoch, as text'),
  organizationId: z.string(),
  parameters: z.record(z.string(), z.json()),
  generateAppProofs: z.boolean().optional(),
});

/**
 * Requests with the same bytes are one activity: a repeat gets the stored answer and has no second effect. A
 * refusal with an effect is stored too, so that a wrong code costs only one try. Other refused requests run
 * again.
 */
export class PublicApi {
  readonly activities: Activities;
  readonly #answers = new Map<string, Promise<string>>();

  constructor(
    private readonly state: TurnkeyState,
    private readonly kinds: readonly ActivityKind[],
  ) {
    this.activities = new Activities(state.clock);
  }

  /** @throws TurnkeyRefusal */
  async submit(submission: Submission): Promise<Submitted> {
    const request = checked(envelope, jsonObject(submission.rawBody));
    const kind = this.kinds.find(
      ({ type, path }) => request.type === `ACTIVITY_TYPE_${type}` && path === submission.path,
    );
    if (!kind) throw refusals.badRequest(`type: ${request.type} is not a type of ${submission.path}`);
    authorize(kind, submission);
    this.#checkTimestamp(Number(request.timestampMs));

    const fingerprint = fingerprintOf(submission.rawBody);
    const known = this.#answers.get(fingerprint);
    if (known) return { answer: { activity: this.activities.show(await known) }, effect: null };

    let effect: object | null = null;
    const carriedOut = this.#carryOut(kind, request.parameters, submission, fingerprint).then((done) => {
      effect = done.effect;
      return done.id;
    });
    this.#answers.set(fingerprint, carriedOut);
    this.#forgetOldest();
    try {
      return { answer: { activity: this.activities.show(await carriedOut) }, effect };
    } catch (error) {
      if (!(error instanceof Refusal && error.effect)) this.#answers.delete(fingerprint);
      throw error;
    }
  }

  /**
   * Counts the poll if the activity is pending.
   *
   * @throws TurnkeyRefusal 404 if the organization has no such activity
   */
  poll(organization: TurnkeyOrganization, activityId: string): { activity: object } {
    if (this.activities.organizationOf(activityId) !== organization.organizationId) {
      throw refusals.activityNotFound();
    }
    return { activity: this.activities.poll(activityId) };
  }

  reset(): void {
    this.activities.reset();
    this.#answers.clear();
  }

  /** An activity is kept at least as long as its answer. */
  #forgetOldest(): void {
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= REMEMBERED) return;
      this.#answers.delete(oldest);
    }
  }

  /** Compares with `headerNowMs`, because a test may move `nowMs` away from the caller's clock. */
  #checkTimestamp(timestampMs: number): void {
    const now = this.state.clock.headerNowMs();
    if (timestampMs < now - OLDEST_MS) throw refusals.timestampPast();
    if (timestampMs > now + FURTHEST_AHEAD_MS) throw refusals.timestampFuture();
  }

  async #carryOut(
    kind: ActivityKind,
    parameters: object,
    { organization, stamper, script }: Submission,
    fingerprint: string,
  ): Promise<{ id: string; effect: object | null }> {
    const valid = checked(kind.schema, parameters);
    const outcome =
      script?.effect === false ? null : await kind.run({ parameters: valid, organization, stamper });
    const id = this.activities.add({
      organizationId: organization.organizationId,
      type: `ACTIVITY_TYPE_${kind.type}`,
      intent: { [kind.intent]: parameters },
      result: outcome && { [kind.result]: outcome.answer },
      fingerprint,
      script,
    });
    return { id, effect: outcome?.effect ?? null };
  }
}

/**
 * Checks that the stamper may submit the activity. A stamp by a verification token allows only a login.
 *
 * @throws TurnkeyRefusal 403
 */
function authorize({ submitter, attested }: ActivityKind, { organization, stamper }: Submission): void {
  const own = stamper.organization === organization;
  const byParent = stamper.organization.parentId === null;
  const may = {
    parent: own && byParent,
    member: own,
    either: own || byParent,
    self: own || stamper.organization.parentId === organization.organizationId,
  }[submitter];
  if (!may || (stamper.token && !attested)) throw refusals.notAuthorized();
}
