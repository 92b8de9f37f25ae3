import { requireNode } from '#libs/kernel';

requireNode();
const { Logger } = await import('@nestjs/common');
const { run } = await import('./run.js');

// Standard output carries only the answer, because it may go into a pipe.
Logger.overrideLogger(false);
process.exitCode = await run(process.argv.slice(2), process.env, {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
});
