import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { STEPS } from '../flow/table.js';
import { stepJob, stepJobId } from './step.job.js';

const payload = { onboardingId: randomUUID() };

describe.each(STEPS)('the job of the step %s', (step) => {
  it('accepts only ids in its payload', () => {
    const { payload: parser } = stepJob(step);
    expect(parser.parse(payload)).toEqual(payload);
    for (const junk of [{}, null, { onboardingId: 'x' }, { ...payload, code: '123456' }]) {
      expect(parser.safeParse(junk).success).toBe(false);
    }
  });

  it('has an id for each try, with only characters that BullMQ allows', () => {
    const { onboardingId } = payload;
    const id = stepJobId(step, onboardingId, 3);
    expect(id).toBe(`${onboardingId}_${step}_3`);
    expect(id).not.toContain(':');
    expect(stepJobId(step, onboardingId, 4)).not.toBe(id);
  });
});
