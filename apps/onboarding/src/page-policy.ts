import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { policyOf } from '#libs/platform';

const SELF = ["'self'"];
const NONE = ["'none'"];

/** Of the console's own pages: a stylesheet and a form, and no script at all (CSP 3). */
export const OWN_PAGES = policyOf({
  'default-src': NONE,
  'style-src': SELF,
  'img-src': SELF,
  'form-action': SELF,
  'base-uri': NONE,
  'frame-ancestors': NONE,
});

/** The policy of a library's script files. A worker's script loads its parts under the policy of its own file. */
export const SCRIPT_FILES = policyOf({
  'default-src': NONE,
  'script-src': SELF,
  'base-uri': NONE,
  'form-action': NONE,
  'frame-ancestors': NONE,
});

/**
 * The contents of style elements that a library's scripts write: each of them, or `any` where nobody knows them
 * beforehand, as with Bull Board's editor.
 */
type WrittenStyles = readonly string[] | 'any';

/**
 * Gives a page that a library brings along its policy. Scripts come from files of ours alone; inline styles are
 * those that the page itself has, by their hashes. Not for a page that has somebody's text in it.
 *
 * @returns the page, so that this can stand in an `onSend` hook.
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
      // Beside a hash, 'unsafe-inline' means nothing (CSP 3 §6.7.3.3): it is one or the other.
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
