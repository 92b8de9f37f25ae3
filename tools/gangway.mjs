#!/usr/bin/env node
/**
 * What every npm script goes through. It runs on Node.js ≥ 20.19 with nothing installed, so it is plain
 * JavaScript and imports nothing but node: modules and its own folder: it installs the dependencies, finds a
 * Node.js 24, builds what is stale, and hands over to the compiled tool.
 *
 *   node tools/gangway.mjs start | reset | test [unit|int|e2e] | …   a tool, dist/tools/<name>.js
 *   node tools/gangway.mjs run <app> …                               an app, dist/apps/<app>/src/main.js
 *   node tools/gangway.mjs exec <bin> …                              a program of node_modules/.bin, or Node.js 24
 *   node tools/gangway.mjs install                                   the dependencies alone
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './launcher/build.mjs';
import { handOver, fail } from './launcher/child.mjs';
import { install } from './launcher/dependencies.mjs';
import { findNode24 } from './launcher/node24.mjs';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const [command, ...args] = process.argv.slice(2);
if (command === undefined) fail('Which command? For example: npm start, npm test, npm run sandbox.');

install(checkout);
if (command !== 'install') {
  const node = findNode24(checkout);
  const env = {
    ...process.env,
    // Everything below, however deep, must find Node.js 24 under the name `node`.
    PATH: [dirname(node), join(checkout, 'node_modules', '.bin'), process.env.PATH].join(':'),
    // Parsed modules are kept between starts: the second one is under 5 s because of it.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(checkout, '.gangway', 'compile-cache'),
  };
  if (command === 'exec') {
    const [bin, ...rest] = args;
    const program = bin === 'node' ? node : join(checkout, 'node_modules', '.bin', bin ?? '');
    if (!bin || !existsSync(program)) fail(`There is no program "${bin ?? ''}" in node_modules/.bin.`);
    handOver(program, rest, { env });
  } else {
    build(checkout, node, env);
    const [name, rest] = command === 'run' ? [args[0], args.slice(1)] : [command, args];
    const entry =
      command === 'run'
        ? join(checkout, 'dist', 'apps', `${name}`, 'src', 'main.js')
        : join(checkout, 'dist', 'tools', `${name}.js`);
    if (!existsSync(entry))
      fail(`Gangway knows no ${command === 'run' ? 'app' : 'command'} "${name ?? ''}".`);
    handOver(node, ['--enable-source-maps', entry, ...rest], {
      env,
      cwd: command === 'run' ? undefined : checkout,
    });
  }
}
