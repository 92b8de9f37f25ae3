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

/** How old an activity may be at submission, and how far ahead. */
export const OLDEST_MS = 60 * 60_000;
export const FURTHEST_AHEAD_MS = 5 * 60_000;

/** An answer of 200, and what was done for it: nothing, where a request was replayed. */
export interface Submitted {
  answer: { activity: object };
  effect: object | null;
}

/** A submission whose stamp is good. */
export interface Submission {
  /** The last segment of the path. */
  path: string;
  rawBody: Buffer;
  stamper: Stamper;
  organization: TurnkeyOrganization;
  /** What a fault makes of the activity; null: what it is. */
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
 * Submissions of the public API. The same bytes are the same activity: they are answered from memory, as long as
 * their timestamp is good, and nothing is done twice. A refusal is remembered likewise if it had an effect (a wrong
 * code costs one try, however often it arrives); any other is made anew.
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
    if (!kind) throw refusals.badRequest(`type: ${request.type} is none of ${submission.path}`);
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
   * An activity, as long as it is pending one poll nearer to its end.
   *
   * @throws TurnkeyRefusal 404
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

  /** Every activity has a request, so that none is forgotten before the request that would ask for it. */
  #forgetOldest(): void {
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= REMEMBERED) return;
      this.#answers.delete(oldest);
    }
  }

  /** The timestamp is the caller's, so it is the clock of request headers that rules it. */
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
 * The parent's key may not do what is a user's own; a sub-organization's credential may not act for the parent; an
 * attested stamp is good for a login and nothing else.
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
