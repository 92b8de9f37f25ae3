import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { policyOf } from './security-headers.js';

const SELF = ["'self'"];
const NONE = ["'none'"];

/** For Gangway's own pages that have no scripts. */
export const OWN_PAGES = policyOf({
  'default-src': NONE,
  'style-src': SELF,
  'img-src': SELF,
  'form-action': SELF,
  'base-uri': NONE,
  'frame-ancestors': NONE,
});

/** For the script files of a library. A web worker obeys the policy that was sent with its own file. */
export const SCRIPT_FILES = policyOf({
  'default-src': NONE,
  'script-src': SELF,
  'base-uri': NONE,
  'form-action': NONE,
  'frame-ancestors': NONE,
});

/**
 * The contents of the style elements that a library's scripts add to the page. `any` is for Bull Board's
 * editor.
 */
type WrittenStyles = readonly string[] | 'any';

/**
 * Sets the content security policy of a page that comes with a library: scripts only from files of this
 * service, and the page's own inline styles by their hashes. Do not use it for a page with text of users.
 *
 * @returns the page, so that an `onSend` hook can return it.
 */
export function withPolicy(reply: FastifyReply, page: string, written: WrittenStyles): string {
  const elements = inPage(page, /<style>([\s\S]*?)<\/style>/g);
  const attributes = inPage(page, / style="([^"]*)"/g).map(hashOf);
  reply.header(
    'Content-Security-Policy',
    policyOf({
      'default-src': NONE,
      'script-src': SELF,
      'worker-src': SELF,
      // 'unsafe-inline' has no effect beside a hash (CSP 3 §6.7.3.3).
      'style-src-elem': [
        ...SELF,
        ...(written === 'any' ? ["'unsafe-inline'"] : [...elements, ...written].map(hashOf)),
      ],
      'style-src-attr': attributes.length > 0 ? ["'unsafe-hashes'", ...attributes] : NONE,
      'img-src': [...SELF, 'data:'],
      'font-src': SELF,
      'connect-src': SELF,
      'form-action': NONE,
      'base-uri': SELF,
      'frame-ancestors': NONE,
    }),
  );
  return page;
}

const inPage = (page: string, pattern: RegExp) => [
  ...new Set([...page.matchAll(pattern)].map(([, text = '']) => text)),
];

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
