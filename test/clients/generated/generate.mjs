/** Generates both clients from docs/openapi.json into `made`, which git ignores. */
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@hey-api/openapi-ts';
import { generate } from 'orval';

const HERE = import.meta.dirname;
const input = join(HERE, '../../../docs/openapi.json');
const made = join(HERE, 'made');

await rm(made, { recursive: true, force: true });
await createClient({
  input,
  output: join(made, 'hey-api'),
  plugins: ['@hey-api/client-fetch'],
  logs: { level: 'silent' },
});
await generate({ input, output: { target: join(made, 'orval/gangway.ts'), client: 'fetch' } }, HERE);

// The runtime that hey-api copies does not compile under exactOptionalPropertyTypes. Its generated code does.
for (const folder of ['client', 'core']) {
  for (const file of await readdir(join(made, 'hey-api', folder))) {
    const path = join(made, 'hey-api', folder, file);
    await writeFile(path, `// @ts-nocheck\n${await readFile(path, 'utf8')}`);
  }
}
