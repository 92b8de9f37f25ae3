import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ComponentChildren } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { map, type Observable } from 'rxjs';
import { policyOf } from '#libs/platform';
import { FormTokens } from './form-token.js';
import { Frame } from './frame.js';

/** What a controller returns for a page. The frame adds the header and the navigation. */
export class Page {
  constructor(
    readonly title: string,
    readonly main: ComponentChildren,
  ) {}
}

const SELF = ["'self'"];
const NONE = ["'none'"];

/** The content security policy of all pages (CSP 3). The stylesheet contains images as `data:` URLs. */
const POLICY = policyOf({
  'default-src': NONE,
  'script-src': SELF,
  'style-src': SELF,
  'img-src': [...SELF, 'data:'],
  'connect-src': SELF,
  'form-action': SELF,
  'base-uri': NONE,
  'frame-ancestors': NONE,
});

/** Writes pages. Preact escapes every text, so text of callers cannot become markup. */
@Injectable()
export class PageWriter implements NestInterceptor {
  constructor(private readonly tokens: FormTokens) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    return next
      .handle()
      .pipe(map((value: unknown) => (value instanceof Page ? this.write(value, request, reply) : value)));
  }

  /** Sets the headers of a page. @returns the document */
  write(page: Page, request: FastifyRequest, reply: FastifyReply): string {
    reply.header('Content-Security-Policy', POLICY);
    // With `no-referrer`, a browser sends our own forms with `Origin: null` (Fetch §3.2), and we would refuse
    // them.
    reply.header('Referrer-Policy', 'same-origin');
    reply.type('text/html; charset=utf-8');
    const { operator, url } = request;
    const token = operator ? this.tokens.ofSession(request) : '';
    const document = renderToString(<Frame {...page} operator={operator} token={token} path={url} />);
    return `<!doctype html>${document}`;
  }
}
