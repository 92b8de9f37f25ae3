import { describe, expect, it } from '@jest/globals';
import { isUncoded, listMembers, mediaTypes } from './header-fields.js';

type Field = string | string[] | undefined;

describe('a header field', () => {
  it.each<[Field, string[]]>([
    [undefined, []],
    ['', []],
    [' , ,', []],
    ['a', ['a']],
    ['a, b ,c', ['a', 'b', 'c']],
    [
      ['a', 'b, c'],
      ['a', 'b', 'c'],
    ],
    ['x;y="a,b", c', ['x;y="a,b"', 'c']],
    ['x;y="a\\",b", c', ['x;y="a\\",b"', 'c']],
    ['x;y="a,b', ['x;y="a,b']],
  ])('with the value %j is a list of %j', (field, members) => expect(listMembers(field)).toEqual(members));

  it.each<[Field, string[]]>([
    ['Application/JSON ; charset=UTF-8', ['application/json']],
    ['application/json;x="text/html, a"', ['application/json']],
    [
      ['application/json', 'text/html'],
      ['application/json', 'text/html'],
    ],
    ['application/json-patch+json', ['application/json-patch+json']],
  ])('with the value %j names the media types %j', (field, types) =>
    expect(mediaTypes(field)).toEqual(types),
  );

  it.each<[Field, boolean]>([
    [undefined, true],
    ['', true],
    ['identity', true],
    ['Identity', true],
    ['identity, IDENTITY', true],
    ['gzip', false],
    ['identity, gzip', false],
    [['identity', 'br'], false],
  ])('with the value %j names no encoding: %j', (field, uncoded) => expect(isUncoded(field)).toBe(uncoded));
});
