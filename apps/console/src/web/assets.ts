import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Controller, Get, Header, NotFoundException, Param, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply } from 'fastify';
import { WITHOUT_LOGIN } from './gate.js';
import { PATHS } from './paths.js';

interface Asset {
  type: string;
  bytes: Buffer;
}

const TYPES = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' };
const { resolve } = createRequire(import.meta.url);
const files = new Map<string, Asset>();

/** A changed file gets a new name, so browsers may cache each file. */
export const ASSETS = {
  pico: add(resolve('@picocss/pico/css/pico.min.css'), 'css'),
  htmx: add(resolve('htmx.org/dist/htmx.min.js'), 'js'),
  uplot: add(resolve('uplot/dist/uPlot.iife.min.js'), 'js'),
  uplotStyle: add(resolve('uplot/dist/uPlot.min.css'), 'css'),
  style: add(join(ownFolder(import.meta.dirname), 'console.css'), 'css'),
  chart: add(join(ownFolder(import.meta.dirname), 'funnel.js'), 'js'),
  script: add(join(ownFolder(import.meta.dirname), 'console.js'), 'js'),
};

function add(file: string, kind: keyof typeof TYPES): string {
  const bytes = readFileSync(file);
  const name = `${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}.${kind}`;
  files.set(name, { type: TYPES[kind], bytes });
  return `${PATHS.assets}/${name}`;
}

/** Searches `from` and its parent folders, because a compiled file lies one level deeper than its source. */
function ownFolder(from: string): string {
  const folder = join(from, 'apps', 'console', 'assets');
  if (existsSync(folder)) return folder;
  const parent = dirname(from);
  if (parent === from) throw new Error('apps/console/assets is missing');
  return ownFolder(parent);
}

@Controller(PATHS.assets)
export class AssetsController {
  @Get(':name')
  @RouteConfig(WITHOUT_LOGIN)
  @Header('Cache-Control', 'public, max-age=31536000, immutable')
  file(@Param('name') name: string, @Res() reply: FastifyReply): void {
    const asset = files.get(name);
    if (!asset) throw new NotFoundException();
    void reply.type(asset.type).send(asset.bytes);
  }
}
