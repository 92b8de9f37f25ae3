#!/usr/bin/env node
/**
 * What every npm script goes through. It runs on Node.js ≥ 20.19 with nothing installed, so it is plain
 * JavaScript and imports nothing but node: modules and its own folder: it installs the dependencies, finds a
 * Node.js 24, builds what is stale, and hands over to the compiled tool.
 *
 *   node tools/gangway.mjs start | reset | test [unit|int|e2e|long] | …   a tool, dist/tools/<name>.js
 *   node tools/gangway.mjs run <app> …                               an app, dist/apps/<app>/src/main.js
 *   node tools/gangway.mjs exec <bin> …                              a program of node_modules/.bin, or Node.js 24
 *   node tools/gangway.mjs install                                   the dependencies alone
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

/** These commands use the servers' data, one process at a time. */
const USES_SERVERS = new Set(['start', 'reset']);

/** These commands need the packages of tests and checks; the others run with fewer. */
const extent = ['test', 'exec', 'install'].includes(command) ? 'all' : 'runtime';

/** Programs that neither `npm start` nor `npm test` needs have a folder and a lock file of their own. */
const checks = join(checkout, 'tools', 'checks');
const isCheck = command === 'exec' && ['depcruise', 'nest', 'oxlint'].includes(args[0] ?? '');

/** This command as people type it. */
function typed() {
  const script = process.env.npm_lifecycle_event;
  if (script === undefined) return `node tools/gangway.mjs ${command}`;
  return ['start', 'test'].includes(script) ? `npm ${script}` : `npm run ${script}`;
}

/** The source of the tool or app, if the build compiles it. A name without a source is refused before any work. */
function sourceOf() {
  if (command === 'run') return join('apps', args[0] ?? '', 'src', 'main.ts');
  return ['exec', 'install'].includes(command) ? undefined : join('tools', `${command}.ts`);
}

const source = sourceOf();
if (command === '' || command.startsWith('-'))
  fail('Which command? For example: npm start, npm test, npm run sandbox.');
if (source !== undefined && !existsSync(join(checkout, source))) {
  fail(
    `Gangway knows no ${command === 'run' ? 'app' : 'command'} "${(command === 'run' ? args[0] : command) ?? ''}".`,
  );
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

/** @param {string} node */
function run(node) {
  const bin = join(isCheck ? checks : checkout, 'node_modules', '.bin');
  const env = {
    ...process.env,
    // Everything below, however deep, must find Node.js 24 under the name `node`.
    PATH: [dirname(node), bin, process.env.PATH].join(':'),
    // Parsed modules are kept between starts: the second one is under 5 s because of it.
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
  // The child uses the data and may outlive this process, so the lock is the child's.
  if (child.pid !== undefined) handLockTo?.(child.pid);
}
