import { expect } from '@jest/globals';
import { Audit } from '#libs/callers';
import { Timelines } from '#libs/onboarding';
import { StepUnderTest } from './step-under-test.js';
import type { Story, Subject, TimelineEvent } from './story.js';

/** Longer than a call may take, so that the attempt is in flight during the dump. */
const HANGS = { delayMs: 60_000, cut: 'before' } as const;

const BY_THE_STORY = { actor: 'story', address: null, target: null, data: {} };

interface Known {
  id: string;
  subject: Subject;
}

/** A service that loses its database after a dump, and starts again with the restored dump. */
export class RestoredStory {
  readonly #timelines = new Map<string, TimelineEvent[]>();
  #completed!: Known;
  #erased!: Known;
  #sent!: Known;
  #verified!: Known;
  #codeUsedLater!: Known;
  #inFlight!: StepUnderTest;

  constructor(readonly story: Story) {}

  /**
   * Makes onboardings in different situations, one of them with a call in flight, and anchors ended
   * timelines.
   */
  async act(): Promise<void> {
    const { story } = this;
    this.#completed = await this.#complete();
    this.#erased = await this.#complete();
    const cancelled = await story.sent();
    await story.cancel(cancelled.id);
    await story.service.get(Timelines).anchor();
    await story.call('DELETE', `/v1/onboardings/${this.#erased.id}`);
    await story.service.get(Timelines).anchor();
    await story.service.get(Audit).record({ ...BY_THE_STORY, action: 'dumped' });
    this.#sent = await story.sent();
    this.#codeUsedLater = await story.sent();
    this.#verified = await story.verified();
    this.#inFlight = await StepUnderTest.before(story, 'create-authenticators');
    await this.#inFlight.strike(HANGS).submit({ headers: { prefer: 'wait=0' } });
    await this.#inFlight.until('authenticators_submitted');
    const all = [this.#completed, this.#erased, cancelled, this.#sent, this.#verified, this.#inFlight];
    for (const { id } of all) this.#timelines.set(id, await story.events(id));
  }

  /** After the dump: lets callers and the provider continue, and then stops the apps. */
  async moveOnAndStop(): Promise<void> {
    const { id, subject } = this.#codeUsedLater;
    await this.story.verify(id, this.story.code(subject));
    await this.story.verified();
    await this.#inFlight.until('completed');
    await this.story.stop();
  }

  async restart(databaseUrl: string): Promise<void> {
    // Keep the port, because it may belong to a connection pooler.
    const { port } = new URL(this.story.env['DATABASE_URL']!);
    this.story.env['DATABASE_URL'] = Object.assign(new URL(databaseUrl), { port }).href;
    this.story.databaseUrl = databaseUrl;
    await this.story.startService();
  }

  /** Expects the timelines from before the dump, with valid hashes. */
  async expectTimelines(): Promise<void> {
    const { reports } = await this.story.service.get(Timelines).verifyTimelines(null, 1000);
    expect(reports.filter(({ fault }) => fault !== null)).toEqual([]);
    for (const { id } of [this.#completed, this.#erased]) {
      const report = reports.find(({ onboardingId }) => onboardingId === id);
      expect(report?.anchoredSeq).toBe(report?.events);
    }
    for (const [id, before] of this.#timelines) {
      expect((await this.story.events(id)).slice(0, before.length)).toEqual(before);
    }
  }

  /** Finishes the onboardings that were live during the dump. */
  async goOn(): Promise<void> {
    const { story } = this;
    await story.startWorker();
    await this.#register(this.#verified.id);
    expect((await story.verify(this.#sent.id, story.code(this.#sent.subject))).status).toBe(200);
    await this.#register(this.#sent.id);
    await this.#asksForAnotherCode(this.#codeUsedLater);
    await this.#resolves(this.#inFlight);
    await this.#complete();
    await story.service.get(Audit).record({ ...BY_THE_STORY, action: 'restored' });
    await story.service.get(Timelines).anchor();
    await this.expectTimelines();
    await this.#expectTamperingToBeFound();
  }

  async #complete(): Promise<Known> {
    const known = await this.story.verified();
    await this.#register(known.id);
    return known;
  }

  async #register(id: string): Promise<void> {
    await this.story.register(id, [await this.story.passkey(id)]);
    await this.story.until(id, 'completed');
  }

  /** The provider accepted this code after the dump, so it refuses the code now. */
  async #asksForAnotherCode({ id, subject }: Known): Promise<void> {
    const { story } = this;
    const used = story.code(subject);
    expect((await story.verify(id, used)).status).not.toBe(200);
    await story.cooledDown(id);
    await story.resend(id);
    await story.until(id, 'otp_sent');
    expect((await story.verify(id, story.code(subject))).status).toBe(200);
    await this.#register(id);
  }

  /**
   * The provider registered this passkey after the dump. The restored service cannot know this, so an
   * operator must resolve the attempt.
   */
  async #resolves(inFlight: StepUnderTest): Promise<void> {
    await inFlight.until('outcome_unknown');
    expect(await inFlight.attempts()).toEqual(['no_answer', 'rejected']);
    await this.story.resolve(inFlight.id, 'done');
    await inFlight.until('completed');
  }

  async #expectTamperingToBeFound(): Promise<void> {
    const { id } = this.#completed;
    const verified = () => this.story.service.get(Timelines).verifyTimeline(id);
    const { anchoredSeq: seq } = await verified();
    const at = (sign: string) =>
      this.story.sql(
        `UPDATE onboarding_events SET at = at ${sign} interval '1 us' WHERE onboarding_id = $1 AND seq = 2`,
        [id],
      );
    await at('+');
    expect((await verified()).fault).toEqual({ seq, fault: 'anchor' });
    await at('-');
    expect((await verified()).fault).toBeNull();
  }
}
