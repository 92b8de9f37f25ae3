import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { STEPS } from '../flow/table.js';
import { stepJob, stepJobId } from './step.job.js';

const payload = { onboardingId: randomUUID(), attempt: 3 };

describe.each(STEPS)('the job of %s', (step) => {
  it('takes ids and nothing else', () => {
    const { payload: parser } = stepJob(step);
    expect(parser.parse(payload)).toEqual(payload);
    for (const junk of [
      {},
      null,
      { ...payload, attempt: 0 },
      { ...payload, onboardingId: 'x' },
      { ...payload, code: '123456' },
    ]) {
      expect(parser.safeParse(junk).success).toBe(false);
    }
  });

  it('has an id that is its intent, in characters that BullMQ takes', () => {
    const id = stepJobId(step, payload);
    expect(id).toBe(`${payload.onboardingId}_${step}_3`);
    expect(id).not.toContain(':');
    expect(stepJobId(step, { ...payload, attempt: 4 })).not.toBe(id);
  });
});
