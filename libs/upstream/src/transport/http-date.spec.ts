import { describe, expect, it } from '@jest/globals';
import { httpDate } from './http-date.js';

const NOVEMBER = Date.UTC(1994, 10, 6, 8, 49, 37);
const century = (year: number) => Date.UTC(year, 0, 2, 3, 4, 5);
const thisYear = new Date().getUTCFullYear();

describe('an HTTP date', () => {
  it.each<[string | string[], number]>([
    ['Sun, 06 Nov 1994 08:49:37 GMT', NOVEMBER],
    ['Sunday, 06-Nov-94 08:49:37 GMT', NOVEMBER],
    ['Sun Nov  6 08:49:37 1994', NOVEMBER],
    ['Sun Nov 06 08:49:37 1994', NOVEMBER],
    [' Sun, 06 Nov 1994 08:49:37 GMT ', NOVEMBER],
    [['Sun, 06 Nov 1994 08:49:37 GMT'], NOVEMBER],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2017, 0, 1)],
    ['Thu, 29 Feb 2024 12:00:00 GMT', Date.UTC(2024, 1, 29, 12)],
    [`Monday, 02-Jan-${String((thisYear + 50) % 100).padStart(2, '0')} 03:04:05 GMT`, century(thisYear + 50)],
    [`Monday, 02-Jan-${String((thisYear + 51) % 100).padStart(2, '0')} 03:04:05 GMT`, century(thisYear - 49)],
  ])('reads %j', (text, expected) => expect(httpDate(text)).toBe(expected));

  it.each<[string | string[] | undefined]>([
    [undefined],
    [''],
    [[]],
    ['soon'],
    ['-1'],
    ['0'],
    ['2026'],
    ['1763632800'],
    ['Sun, 06 Nov 1994 08:49:37'],
    ['Sun, 06 Nov 1994 08:49:37 UTC'],
    ['Sun, 06 Nov 1994 08:49:37 +0100'],
    ['Sun, 6 Nov 1994 08:49:37 GMT'],
    ['Sun, 06 nov 1994 08:49:37 GMT'],
    ['Sun, 31 Feb 1994 08:49:37 GMT'],
    ['Sun, 00 Nov 1994 08:49:37 GMT'],
    ['Sun, 06 Nov 1994 24:00:00 GMT'],
    ['Sun, 06 Nov 1994 08:60:00 GMT'],
    ['Sun, 06 Nov 1994 08:49:61 GMT'],
    ['Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT'],
    [['Sun, 06 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 08:49:37 GMT']],
    ['1994-11-06T08:49:37Z'],
    ['Sun Nov 6 08:49:37 1994'],
  ])('refuses %j', (text) => expect(httpDate(text)).toBeNull());
});
