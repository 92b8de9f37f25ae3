import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { eventWords } from '../src/page/event-words.js';

const OPENAPI = join(import.meta.dirname, '..', '..', '..', 'docs', 'openapi.json');
const document = JSON.parse(readFileSync(OPENAPI, 'utf8')) as {
  components: { schemas: { OnboardingEvent: { discriminator: { mapping: Record<string, string> } } } };
};
const TYPES = Object.keys(document.components.schemas.OnboardingEvent.discriminator.mapping);

const event = (type: string, data: Record<string, unknown> = {}) => ({
  seq: 1,
  at: '2026-11-20T10:00:00.000Z',
  actor: 'service',
  type,
  data,
});

describe('the words of an event', () => {
  it.each(TYPES)('exist for %s, with and without data', (type) => {
    for (const data of [{}, { step: 'init-otp', class: 'ok', durationMs: 3, inMs: 20, authenticators: 2 }]) {
      const { text } = eventWords(event(type, data));
      expect(text).toMatch(/^[A-Z\d]/);
      expect(text).not.toMatch(/undefined|NaN|_/);
    }
  });

  it('have a bad tone after a failed call, and a plain tone after a successful call', () => {
    expect(eventWords(event('attempt_ended', { class: 'ok' })).tone).toBe('plain');
    expect(eventWords(event('attempt_ended', { class: 'unavailable' })).tone).toBe('bad');
  });

  it('are the name of the type if the type is unknown', () => {
    expect(eventWords(event('made_up_later'))).toEqual({ text: 'made_up_later', tone: 'plain' });
  });
});
