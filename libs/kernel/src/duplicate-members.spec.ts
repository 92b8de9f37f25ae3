import { expect, it } from '@jest/globals';
import { hasDuplicateMembers } from './duplicate-members.js';

it.each([
  ['{"a":1,"b":{"c":[{"d":2}]}}', false],
  ['{"a":":","b\\"":"\\\\"}', false],
  ['{"a":1,"a":2}', true],
  ['{"a":1,"\\u0061":2}', true],
  ['[{"a":{"b":1,"b":1}}]', true],
])('hasDuplicateMembers(%s) is %s', (text, expected) => {
  expect(hasDuplicateMembers(text, JSON.parse(text))).toBe(expected);
});
