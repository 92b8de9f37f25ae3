import { requireNode } from '#libs/kernel';

requireNode();
const { Logger } = await import('@nestjs/common');
const { run } = await import('./run.js');

// Standard output is the answer, which may be in a pipe; what the libs log is for servers.
Logger.overrideLogger(false);
process.exitCode = await run(process.argv.slice(2), process.env, {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
});
