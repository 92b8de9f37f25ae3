import { describe, expect, it } from '@jest/globals';
import { findPasswordFault } from './password-rule.js';

const NAMES = 'is little more than the name of its account or of the product';

describe('a new password', () => {
  it.each([
    ['of twelve characters', 'abcdefghij12'],
    ['of 128', 'aB3$'.repeat(32)],
    ['with spaces', 'seven wild geese'],
    ['with a name as a small part', 'vera sees a gangway of ships'],
    ['in any script', 'двенадцать гусей'],
    ['of characters outside the first plane, each counted once', '🦆🐎🐄🐖🐐🐑🐓🦃🐇🐈🐕🐁'],
  ])('may be %s', (_, password) => {
    expect(findPasswordFault('vera', password)).toBeNull();
  });

  it.each([
    ['shorter', 'abcdefghi12', 'is shorter than 12 characters'],
    ['six characters of two units each', '🦆🐎🐄🐖🐐🐑', 'is shorter than 12 characters'],
    ['longer', 'aB3$x'.repeat(26), 'is longer than 128 characters'],
    ['longer after normalization', '\ufdfa'.repeat(20), 'is longer than 128 characters'],
    ['a common one', 'Password1234', 'is a common password'],
    ['a common one in other widths', 'ｐａｓｓｗｏｒｄ１２３４', 'is a common password'],
    ['two characters again and again', 'abababababab', 'is made of less than four different characters'],
    ['the name and a bit', 'Vera.Vermeer1', NAMES],
    ['the product’s name and a bit', 'Gangway-2026!', NAMES],
    ['the product’s name in other widths', 'ｇａｎｇｗａｙ-2026!', NAMES],
    ['the product’s name again and again', 'gangway gangway 2026', NAMES],
    ['one name beside the other', 'vera.vermeer@gangway', NAMES],
    ['half a character', 'seven wild \ud800 geese', 'holds half of a surrogate pair'],
  ])('may not be %s', (_, password, why) => {
    expect(findPasswordFault('Vera.Vermeer ', password)).toBe(why);
  });
});
