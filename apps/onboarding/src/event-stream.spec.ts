import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { OnboardingEvent } from '#libs/onboarding';
import { EventStream } from './event-stream.js';

const event = (seq: number): OnboardingEvent => ({
  onboardingId: '0198c0de-0000-7000-8000-000000000001',
  seq,
  type: 'otp_sent',
  at: new Date(0),
  actor: 'upstream',
  data: {},
});

describe('an event stream that has ended', () => {
  it('still sends the events that it received before its end, and drops later events', async () => {
    const stream = new EventStream({ heartbeatMs: 60_000, lifeMs: 60_000 });
    const chunks: string[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
    stream.receive([event(1)]);
    stream.end();
    stream.receive([event(2)]);
    await once(stream, 'end');
    expect(chunks.join('')).toContain('id: 1\n');
    expect(chunks.join('')).not.toContain('id: 2\n');
    stream.destroy();
  });
});
