import { describe, expect, it } from '@jest/globals';
import { ProblemError, SCOPES, type Scope } from '#libs/kernel';
import { aCaller, aRow } from '#libs/testing';
import { mustSee, mustTouch, touchedBy } from './ownership.js';

const row = aRow({ caller: 'shop', integration: 'byzantine' });
const code = (work: () => unknown): string => {
  try {
    work();
    return 'yes';
  } catch (error) {
    return (error as ProblemError).code;
  }
};

const PLAIN: Scope[] = ['onboardings:read', 'onboardings:write', 'onboardings:erase', 'admin'];
const READS: Scope[] = [...PLAIN, 'operations:read'];

describe('an onboarding', () => {
  it.each([
    ['is read and changed by its owner', aCaller('shop', PLAIN), 'yes', 'yes', 'yes'],
    ['is not found by another caller', aCaller('bank', PLAIN), 'not_found', 'not_found', 'not_found'],
    ['is only read by a reader of operations', aCaller('bank', READS), 'yes', 'forbidden', 'forbidden'],
    [
      'is read by an operator, and changed only by commands for operators',
      aCaller('bank', SCOPES),
      'yes',
      'forbidden',
      'yes',
    ],
    [
      'is read and changed by its owner, limited to its integration',
      aCaller('shop', PLAIN, ['byzantine']),
      'yes',
      'yes',
      'yes',
    ],
    [
      'is not found by its owner, limited to another integration',
      aCaller('shop', PLAIN, ['turnkey']),
      'not_found',
      'not_found',
      'not_found',
    ],
    [
      'is not found by an operator, limited to another integration',
      aCaller('bank', SCOPES, ['turnkey']),
      'not_found',
      'not_found',
      'not_found',
    ],
  ] as const)('%s', (_, caller, see, command, operate) => {
    expect(code(() => mustSee(row, row.id, caller))).toBe(see);
    expect(code(() => mustTouch(row, row.id, caller, 'owner'))).toBe(command);
    expect(code(() => mustTouch(row, row.id, caller, 'owner-or-operator'))).toBe(operate);
  });

  it('that belongs to another caller looks exactly like an onboarding that does not exist', () => {
    const said = (of: typeof row | null) => {
      try {
        mustTouch(of, row.id, aCaller('bank', PLAIN), 'owner');
      } catch (error) {
        return { ...(error as ProblemError), message: (error as ProblemError).message };
      }
      throw new Error('it was let through');
    };
    expect(said(row)).toEqual(said(null));
  });

  it('is changed by SQL only if it belongs to the caller, or if an operator may give the command', () => {
    const any = { caller: null, integrations: null };
    expect(touchedBy(aCaller('bank', READS), 'owner-or-operator')).toEqual({ ...any, caller: 'bank' });
    expect(touchedBy(aCaller('bank', SCOPES), 'owner')).toEqual({ ...any, caller: 'bank' });
    expect(touchedBy(aCaller('bank', SCOPES), 'owner-or-operator')).toEqual(any);
    expect(touchedBy(aCaller('bank', SCOPES, ['x']), 'owner-or-operator')).toEqual({
      ...any,
      integrations: ['x'],
    });
  });
});
