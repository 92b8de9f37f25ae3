/**
 * For `npm run bench -- --profile`: the first SIGUSR2 starts V8's CPU profiler, and the second writes the
 * profile to the file in the query of this module's URL.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';

const file = new URL(import.meta.url).searchParams.get('to');
const session = new Session();
let running = false;

process.on('SIGUSR2', async () => {
  if (running) {
    const { profile } = await session.post('Profiler.stop');
    writeFileSync(`${file}.part`, JSON.stringify(profile));
    renameSync(`${file}.part`, file);
  } else {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 500 });
    await session.post('Profiler.start');
  }
  running = !running;
});
