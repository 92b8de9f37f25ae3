import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import type { Clock } from '#libs/kernel';
import { activityFingerprint } from '#libs/signing';
import type { ClockSkew } from '../transport/clock-skew.js';
import { failureOf, parseJson, wholeJson } from '../transport/http-answer.js';
import type { HttpAnswer, UpstreamHttpClient } from '../transport/http-client.js';
import { UpstreamError } from '../port/upstream-error.js';
import { readActivity, resultNamed, type Activity } from './activity.js';
import type { OneTry } from '../transport/one-try.js';
import { refusalOf, type Asked } from './refusal.js';

/** Signs requests with the parent organization's key, or with the key of a user's session. */
export interface Stamper {
  whose: 'parent' | 'session';
  send(
    oneTry: OneTry,
    body: string,
    send: (stamp: Record<string, string>) => Promise<HttpAnswer>,
  ): Promise<HttpAnswer>;
}

export interface Submission<T> {
  /** For example `init_otp`. */
  path: string;
  /** Turnkey recognizes a repeat by these bytes. */
  body: string;
  stamper: Stamper;
  /** A key that may read the result; null if the service has none. */
  reader: Stamper | null;
  /** The name of the result, without its version. */
  result: string;
  schema: z.ZodType<T>;
  organization: Asked['organization'];
  tokenOver?: Asked['tokenOver'];
}

export interface Query<T> {
  path: string;
  parameters: { organizationId: string } & Record<string, unknown>;
  stamper: Stamper;
  schema: z.ZodType<T>;
  organization: Asked['organization'];
}

/** The first and the longest wait between two polls of a pending activity. */
const POLL_FIRST_MS = 250;
const POLL_LAST_MS = 2_000;

/** A client for Turnkey's public API. A submission creates an activity, a query changes nothing. */
export class TurnkeyApi {
  #lastTimestampMs = 0;

  constructor(
    private readonly integration: { name: string; baseUrl: string },
    private readonly http: UpstreamHttpClient,
    private readonly clock: Clock,
    private readonly skew: ClockSkew,
  ) {}

  /**
   * Makes a body with a unique `timestampMs`, because Turnkey could treat two requests for a code as a
   * repeat.
   *
   * @param type for example `ACTIVITY_TYPE_INIT_OTP_V3`
   */
  activity(type: string, organizationId: string, parameters: object): string {
    this.#lastTimestampMs = Math.max(this.#lastTimestampMs + 1, this.clock.nowMs());
    return JSON.stringify({ type, timestampMs: String(this.#lastTimestampMs), organizationId, parameters });
  }

  /** @throws UpstreamError `no_answer` if the activity is still pending at the deadline. */
  async submit<T>(oneTry: OneTry, submission: Submission<T>): Promise<T> {
    const { path, body, stamper, reader, organization, tokenOver = 'otp_expired' } = submission;
    const asked: Asked = { signedBy: stamper.whose, organization, tokenOver, ageMs: this.#ageOf(body) };
    const fingerprint = activityFingerprint(body);
    let answer = await this.#send(oneTry, true, `submit/${path}`, body, stamper);
    if (!isSuccess(answer)) throw refusalOf(answer, asked);
    let activity = readActivity(answer, asked, fingerprint);
    for (let waitMs = POLL_FIRST_MS; !activity.result; waitMs = Math.min(waitMs * 1.5, POLL_LAST_MS)) {
      if (!reader || oneTry.leftMs <= waitMs) {
        throw failureOf(answer, 'no_answer', 'the activity was still pending at the deadline');
      }
      await delay(waitMs);
      const polled = await this.#poll(oneTry, activity, reader);
      if (!polled) continue;
      answer = polled;
      activity = readActivity(polled, asked, fingerprint);
    }
    return read(answer, submission.schema, resultNamed(activity.result, submission.result));
  }

  async query<T>(oneTry: OneTry, { path, parameters, stamper, schema, organization }: Query<T>): Promise<T> {
    const answer = await this.#send(oneTry, false, `query/${path}`, JSON.stringify(parameters), stamper);
    if (isSuccess(answer)) return read(answer, schema, wholeJson(answer));
    throw refusalOf(answer, { signedBy: stamper.whose, organization, tokenOver: 'otp_expired', ageMs: null });
  }

  /** @returns null if the query failed, which says nothing about the activity */
  async #poll(oneTry: OneTry, { id, organizationId }: Activity, reader: Stamper): Promise<HttpAnswer | null> {
    const body = JSON.stringify({ organizationId, activityId: id });
    try {
      const answer = await this.#send(oneTry, false, 'query/get_activity', body, reader);
      return isSuccess(answer) ? answer : null;
    } catch (error) {
      if (error instanceof UpstreamError) return null;
      throw error;
    }
  }

  async #send(
    oneTry: OneTry,
    hasEffect: boolean,
    path: string,
    body: string,
    stamper: Stamper,
  ): Promise<HttpAnswer> {
    const { name, baseUrl } = this.integration;
    const answer = await stamper.send(oneTry, body, (stamp) =>
      this.http.send(oneTry.limits(hasEffect), {
        baseUrl,
        lane: `${name} ${path}`,
        method: 'POST',
        pathAndQuery: `/public/v1/${path}`,
        headers: { accept: 'application/json', 'content-type': 'application/json', ...stamp },
        body,
      }),
    );
    this.skew.saw(answer);
    return answer;
  }

  #ageOf(body: string): number {
    return (
      this.clock.nowMs() - Number((parseJson(body) as { timestampMs?: unknown } | undefined)?.timestampMs)
    );
  }
}

export const isSuccess = ({ status }: HttpAnswer): boolean => status >= 200 && status <= 299;

/** @throws UpstreamError `no_answer`, because the request may have taken effect */
export function read<T>(answer: HttpAnswer, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw failureOf(answer, 'no_answer', `upstream answered ${answer.status} with a body of the wrong shape`);
}
