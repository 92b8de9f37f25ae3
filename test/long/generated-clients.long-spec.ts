import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { installClients } from '../support/client-folder.js';
import { API_KEY, ORIGIN, RP_ID, Story } from '../support/story.js';

jest.setTimeout(300_000);

const FOLDER = join(import.meta.dirname, '../clients/generated');
const exec = promisify(execFile);
const run = (program: string, ...args: string[]) =>
  exec(process.execPath, [join(FOLDER, program), ...args], { cwd: FOLDER });

const describeWithGenerators = (await installClients(FOLDER)) ? describe : describe.skip;

describeWithGenerators('clients that are generated from docs/openapi.json', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin();
    await run('generate.mjs');
  });
  afterAll(() => story?.end());

  it('generated clients compile under strict and exactOptionalPropertyTypes', async () => {
    await expect(run('node_modules/typescript/bin/tsc', '-p', '.')).resolves.toMatchObject({ stdout: '' });
  });

  it('a generated client completes an onboarding with only the generated types', async () => {
    await run(
      'node_modules/esbuild/bin/esbuild',
      'walk.ts',
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--outfile=made/walk.mjs',
    );
    const { stdout } = await run(
      'made/walk.mjs',
      story.serviceUrl,
      API_KEY,
      story.sandbox.url,
      RP_ID,
      ORIGIN,
    );
    expect(JSON.parse(stdout)).toEqual({
      left: 2,
      said: expect.stringMatching(/^submit_otp before 20/),
      state: 'completed',
      names: ['Phone'],
      firstEnd: 200,
    });
  });
});
