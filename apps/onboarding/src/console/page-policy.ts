import { createHash } from 'node:crypto';

const SELF = ["'self'"];
const NONE = ["'none'"];

/** Of the console's own pages: a stylesheet and a form, and no script at all (CSP 3). */
export const OWN_PAGES = policy({
  'default-src': NONE,
  'style-src': SELF,
  'img-src': SELF,
  'form-action': SELF,
  'base-uri': NONE,
  'frame-ancestors': NONE,
});

/**
 * Of a page that a library brings along. Scripts come from files of ours alone; of inline styles, only those that
 * the page itself has, by their hashes. Not for a page that has somebody's text in it.
 */
export function policyOfPage(page: string) {
  return policy({
    'default-src': NONE,
    'script-src': SELF,
    'style-src': [...SELF, ...inlineStyles(page)],
    'img-src': [...SELF, 'data:'],
    'font-src': SELF,
    'connect-src': SELF,
    'form-action': NONE,
    'base-uri': SELF,
    'frame-ancestors': NONE,
  });
}

function inlineStyles(page: string): string[] {
  const elements = [...page.matchAll(/<style>([\s\S]*?)<\/style>/g)].map(([, style = '']) => style);
  const attributes = [...page.matchAll(/ style="([^"]*)"/g)].map(([, style = '']) => style);
  const hashes = new Set([...elements, ...attributes].map(hashOf));
  return attributes.length > 0 ? ["'unsafe-hashes'", ...hashes] : [...hashes];
}

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

function policy(directives: Record<string, string[]>) {
  return { contentSecurityPolicy: { useDefaults: false, directives } };
}
