import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

interface NamedTest {
  file: string;
  titles: string[];
}

const TITLE = /“([^”]+)”/g;
const titlesIn = (text: string) => [...text.matchAll(TITLE)].map(([, title = '']) => title);

/** Finds tests named by file and titles, for example: `a.spec.ts` “one title”, “another”. */
function testsNamedIn(text: string): NamedTest[] {
  const named = text.matchAll(/`((?:apps|docs|libs|test|tools)\/[\w./-]+spec\.ts)`((?:,? “[^”]+”)*)/g);
  return [...named].map(([, file = '', titles = '']) => ({ file, titles: titlesIn(titles) }));
}

/** A title must be a whole string literal, because a part of a title would match other titles too. */
const hasTitle = (source: string, title: string) =>
  [`'`, `"`, '`'].some((quote) => source.includes(quote + title + quote));

describe.each(['SECURITY.md', 'docs/security/threat-model.md', 'docs/security/asvs.md'])(
  'the document %s',
  (paper) => {
    it('names only test files that exist', () => {
      const named = testsNamedIn(read(paper));
      expect(named.map(({ file }) => file).filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
    });

    it('quotes only titles that the named test file contains', () => {
      const named = testsNamedIn(read(paper));
      const missing = named.flatMap(({ file, titles }) => {
        const source = existsSync(join(ROOT, file)) ? read(file) : '';
        return titles.filter((title) => !hasTitle(source, title)).map((title) => `${file}: ${title}`);
      });
      expect(missing).toEqual([]);
      expect(named.flatMap(({ titles }) => titles)).toEqual(titlesIn(read(paper)));
    });
  },
);

const VERDICTS = ['met', 'deployment', 'not applicable', 'not met'] as const;
/** The number of requirements of OWASP ASVS 5.0.0, by level. */
const OF_LEVEL = { 1: 70, 2: 183 };

interface Row {
  id: string;
  requirement: string;
  level: string;
  verdict: string;
  evidence: string;
  more: string[];
}

const ASVS = read('docs/security/asvs.md');

/** No cell contains a vertical bar. */
const cellsOf = (line: string) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

const ROWS: Row[] = [...ASVS.matchAll(/^\| V\d.*$/gm)].map(([line]) => {
  const [id = '', requirement = '', level = '', verdict = '', evidence = '', ...more] = cellsOf(line);
  return { id, requirement, level, verdict, evidence, more };
});

const placeOf = (id: string) =>
  id
    .slice(1)
    .split('.')
    .reduce((place, part) => place * 100 + Number(part), 0);

describe('the table of docs/security/asvs.md', () => {
  it('has each requirement of levels 1 and 2 once, in order', () => {
    const ids = ROWS.map(({ id }) => id);
    expect(ids.filter((id) => !/^V\d{1,2}\.\d{1,2}\.\d{1,2}$/.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(ids.toSorted((a, b) => placeOf(a) - placeOf(b)));
    for (const [level, number] of Object.entries(OF_LEVEL)) {
      expect({ level, number: ROWS.filter((row) => row.level === level).length }).toEqual({ level, number });
    }
  });

  it('has a verdict and a reason in each row, and names a file if the verdict is "met"', () => {
    const without = ROWS.filter(
      ({ requirement, verdict, evidence, more }) =>
        more.length > 0 ||
        requirement === '' ||
        !VERDICTS.some((each) => each === verdict) ||
        evidence.length < 10 ||
        (verdict === 'met' && !/`[\w./-]+\.\w+`|\]\([^)]+\)/.test(evidence)),
    );
    expect(without.map(({ id }) => id)).toEqual([]);
  });

  it('agrees with the counts in the summary above the table', () => {
    const counts = VERDICTS.map((verdict) => {
      const rows = ROWS.filter((row) => row.verdict === verdict);
      const ofLevel = (level: string) => rows.filter((row) => row.level === level).length;
      return [verdict, ofLevel('1'), ofLevel('2'), rows.length].map(String);
    });
    const stated = [...ASVS.matchAll(/^\| (?:met|deployment|not applicable|not met) .*$/gm)];
    expect(stated.map(([line]) => cellsOf(line))).toEqual(counts);
  });

  it('has the verdict "not met" exactly where the chapter "Deviations" lists the requirement', () => {
    const [, chapter = ''] = /^## Deviations\n([\s\S]*?)^## /m.exec(ASVS) ?? [];
    const named = new Set([...chapter.matchAll(/V\d+\.\d+\.\d+/g)].map(([id]) => id));
    const notMet = ROWS.filter(({ verdict }) => verdict === 'not met').map(({ id }) => id);
    expect([...named].toSorted((a, b) => placeOf(a) - placeOf(b))).toEqual(notMet);
  });
});
