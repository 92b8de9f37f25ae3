import { Controller, Get, NotFoundException, Param, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { BrowserGuard } from '../control/browser.guard.js';
import { loadPageFiles } from './page-files.js';

/** The page may load only its own files. With Trusted Types, a bug cannot insert text as HTML. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

@Controller('_sandbox')
@UseGuards(BrowserGuard)
export class PageController {
  readonly #files = loadPageFiles();

  @Get()
  page(@Res() reply: FastifyReply): void {
    this.file('', reply);
  }

  /** Takes all paths under `/_sandbox/` without a route of their own. An empty name means index.html. */
  @Get('*')
  file(@Param('*') name: string, @Res() reply: FastifyReply): void {
    const file = this.#files.get(name === '' ? 'index.html' : name);
    if (!file) throw new NotFoundException('neither a route nor a file of the page');
    void reply.header('content-security-policy', POLICY).type(file.type).send(file.bytes);
  }
}
