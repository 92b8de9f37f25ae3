import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const TESTS = join(import.meta.dirname, '..');
const STORY = '.e2e-spec.ts';

const filesIn = (folder: string) =>
  readdirSync(join(TESTS, folder), { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.\w+$/.test(file),
  );
const stories = filesIn('e2e').filter((file) => file.endsWith(STORY));

describe('the folders of test/e2e', () => {
  it('hold only e2e test files, and subfolders that belong to such a file', () => {
    const others = filesIn('e2e').filter((file) => !/^[a-z]+\/(?:[\w-]+\.e2e-spec\.ts|[\w-]+\/)/.test(file));
    expect(others).toEqual([]);
  });

  it('have no two test files with the same name, because a recording is named after its test file', () => {
    const names = stories.map((file) => basename(file));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it('have a test file for each recording', () => {
    const names = new Set(stories.map((file) => basename(file, STORY)));
    const recordings = filesIn('recordings').filter((file) => file.endsWith('.txt'));
    expect(recordings.filter((file) => !names.has(basename(file, '.txt')))).toEqual([]);
  });
});
