import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../../../dist/apps/', import.meta.url));
const CACHE = process.env['NODE_COMPILE_CACHE'];

export interface Ended {
  code: number | null;
  said: string;
}

/** Runs a compiled app until it ends by itself. `input` is its standard input. */
export function runToEnd(
  app: 'onboarding' | 'worker' | 'cli',
  env: Record<string, string>,
  args: string[] = [],
  input = '',
): Promise<Ended> {
  const child = spawn(process.execPath, [`${DIST}${app}/src/main.js`, ...args], {
    env: { ...(CACHE && { NODE_COMPILE_CACHE: CACHE }), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined); // the app may end before it has read its input
  child.stdin.end(input);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  return new Promise((resolve) =>
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, said });
    }),
  );
}
