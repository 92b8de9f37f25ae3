import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { CHECKOUT } from './checkout.js';
import { Plain, runTool } from './console.js';
import { startTestServers, type TestServers } from './test-servers.js';

const USUAL = ['unit', 'int', 'e2e'];
const SIZES = new Set([...USUAL, 'long']);

/**
 * `npm test [unit|int|e2e|long] [-- arguments for jest]`. Stops the servers also after a failure or Ctrl-C.
 * Unit tests need no servers.
 */
async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const size =
    args[0] !== undefined && !args[0].startsWith('-') && SIZES.has(args[0]) ? args.shift() : undefined;
  let servers: TestServers | undefined;
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => (interrupted = true));
  try {
    if (size !== 'unit') servers = await startTestServers();
    process.exitCode = interrupted ? 130 : await runJest(size, args, servers?.env ?? {});
  } finally {
    await servers?.stop();
  }
}

/** @returns jest's exit code */
function runJest(size: string | undefined, args: string[], env: Record<string, string>): Promise<number> {
  // Tests of outages and deadlines mostly wait, so on two cores, three workers are much faster than two.
  const parallel = `--maxWorkers=${Math.max(3, Math.floor(availableParallelism() / 2))}`;
  const own = args.some((arg) => /^(-i|-w|--runInBand|--maxWorkers)/.test(arg)) ? [] : [parallel];
  const projects = ['--selectProjects', ...(size === undefined ? USUAL : [size])];
  const jest = join(CHECKOUT, 'node_modules', 'jest', 'bin', 'jest.js');
  const child = spawn(process.execPath, [jest, ...own, ...args, ...projects], {
    cwd: CHECKOUT,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  // The signal may have reached only this process. A second signal does no harm.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Plain(`jest could not run: ${error.message}`)));
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

await runTool(main);
