#!/usr/bin/env node
/**
 * The launcher of all npm scripts. It runs on Node.js ≥ 20.19 before any package is installed, so it imports
 * only node: modules and tools/launcher. It installs the dependencies, finds a Node.js 24, builds if the
 * build is stale, and runs the compiled tool.
 *
 *   node tools/gangway.mjs start | reset | test [unit|int|e2e|long] | …   a tool, dist/tools/<name>.js
 *   node tools/gangway.mjs run <app> …                        an app, dist/apps/<app>/src/main.js
 *   node tools/gangway.mjs exec <bin> …                       a program of node_modules/.bin, or Node.js 24
 *   node tools/gangway.mjs install                            only the dependencies
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, isBuilt } from './launcher/build.mjs';
import { handOver, fail } from './launcher/child.mjs';
import { COMMANDS } from './launcher/commands.mjs';
import { install, isComplete } from './launcher/dependencies.mjs';
import { flagsOrExit } from './launcher/flags.mjs';
import { alone, lockServers } from './launcher/lock.mjs';
import { findNode24 } from './launcher/node24.mjs';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const [command = '', ...args] = process.argv.slice(2);

/** Only one process at a time may use the servers' data. */
const USES_SERVERS = new Set(['start', 'reset']);

/** Only these commands need the packages of tests and checks. */
const extent = ['test', 'exec', 'install'].includes(command) ? 'all' : 'runtime';

/** Programs that neither `npm start` nor `npm test` needs have their own folder and lock file. */
const checks = join(checkout, 'tools', 'checks');
const isCheck = command === 'exec' && ['depcruise', 'nest', 'oxlint', 'redocly'].includes(args[0] ?? '');

/** @returns the command as users type it */
function typed() {
  const script = process.env.npm_lifecycle_event;
  if (script === undefined) return `node tools/gangway.mjs ${command}`;
  return ['start', 'test'].includes(script) ? `npm ${script}` : `npm run ${script}`;
}

/**
 * @returns the source file of the tool or app, or undefined. A missing file is reported before any other
 *   work.
 */
function sourceOf() {
  if (command === 'run') return join('apps', args[0] ?? '', 'src', 'main.ts');
  return ['exec', 'install'].includes(command) ? undefined : join('tools', `${command}.ts`);
}

const source = sourceOf();
if (command === '' || command.startsWith('-'))
  fail('Which command? For example: npm start, npm test, npm run sandbox.');
if (source !== undefined && !existsSync(join(checkout, source))) {
  fail(command === 'run' ? `Gangway has no app "${args[0] ?? ''}".` : `Gangway has no command "${command}".`);
}
if (Object.hasOwn(COMMANDS, command)) flagsOrExit(COMMANDS[/** @type {keyof COMMANDS} */ (command)], args);

const handLockTo = USES_SERVERS.has(command) ? lockServers(checkout, typed()) : undefined;
const isReady = () =>
  isComplete(checkout, extent) &&
  (!isCheck || isComplete(checks, 'all')) &&
  (source === undefined || isBuilt(checkout));
if (!isReady()) {
  alone(checkout, typed(), () => {
    install(checkout, extent);
    if (isCheck) install(checks, 'all');
    if (source !== undefined) build(checkout, findNode24(checkout));
  });
}
if (command !== 'install') run(findNode24(checkout));

function run(node) {
  const bin = join(isCheck ? checks : checkout, 'node_modules', '.bin');
  const env = {
    ...process.env,
    // Every child process must find Node.js 24 as `node`.
    PATH: [dirname(node), bin, process.env.PATH].join(':'),
    // Cache parsed modules, so that the second start takes less than 5 s.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(checkout, '.gangway', 'compile-cache'),
  };
  if (command === 'exec') {
    const [name, ...rest] = args;
    const program = name === 'node' ? node : join(bin, name ?? '');
    if (!name || !existsSync(program)) fail(`There is no program "${name ?? ''}" in node_modules/.bin.`);
    handOver(program, rest, { env });
    return;
  }
  const entry = join(checkout, 'dist', `${source}`.replace(/\.ts$/, '.js'));
  const child = handOver(
    node,
    ['--enable-source-maps', entry, ...(command === 'run' ? args.slice(1) : args)],
    {
      env,
      cwd: command === 'run' ? undefined : checkout,
    },
  );
  // The child uses the data, and may outlive this process.
  if (child.pid !== undefined) handLockTo?.(child.pid);
}
