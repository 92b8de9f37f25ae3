import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { PROBLEM_CODES } from '#libs/kernel';

const TESTS = join(import.meta.dirname, '..');
const openApi = readFileSync(join(TESTS, '../docs/openapi.json'), 'utf8');
const stories = readdirSync(join(TESTS, 'e2e'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(join(TESTS, 'e2e', file), 'utf8'))
  .join('\n');

describe('the error codes of PROBLEMS', () => {
  it('are in docs/openapi.json, except method_not_allowed', () => {
    // No single route lists this code: the service sends it if the path exists, but not for the method.
    const ofRoutes = PROBLEM_CODES.filter((code) => code !== 'method_not_allowed');
    expect(ofRoutes.filter((code) => !openApi.includes(`\`${code}\``))).toEqual([]);
  });

  it('are each expected by a test in test/e2e', () => {
    expect(PROBLEM_CODES.filter((code) => !stories.includes(`'${code}'`))).toEqual([]);
  });
});
