import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { FAULT_CODES, isRequestFaultCode } from '#libs/kernel';
import { PROVIDERS } from '#libs/upstream';
import * as apiKeys from './api-keys.dto.js';
import * as authenticators from './authenticators.dto.js';
import * as onboardings from './onboarding.dto.js';
import * as operations from './operations.dto.js';

type Def = Record<string, unknown>;

/** Collects all definitions in a zod schema, at any depth. */
function defsIn(value: unknown, seen = new Set<unknown>()): Def[] {
  if (typeof value !== 'object' || value === null || seen.has(value)) return [];
  seen.add(value);
  const def = (value as { def?: Def }).def;
  const parts = def ? Object.values(def) : Object.values(value);
  return [...(def ? [def] : []), ...parts.flatMap((part) => defsIn(part, seen))];
}

describe('the fault codes', () => {
  const schemas = [
    ...Object.values({ ...apiKeys, ...authenticators, ...onboardings, ...operations }).filter(
      (it) => it instanceof z.ZodType,
    ),
    ...PROVIDERS.flatMap(({ schemas: { subject, otp } }) => [subject, otp]),
  ];
  const rules = defsIn(schemas).filter(({ check }) => check === 'custom');

  it('include a code for each rule of our own in the schemas of requests', () => {
    expect(rules.length).toBeGreaterThan(10);
    const without = rules.filter(({ params }) => !isRequestFaultCode((params as Def | undefined)?.['code']));
    expect(without.map(({ fn }) => String(fn))).toEqual([]);
  });

  it('belong to exactly one problem code each', () => {
    expect(new Set(FAULT_CODES).size).toBe(FAULT_CODES.length);
  });
});
