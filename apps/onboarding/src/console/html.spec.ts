import { describe, expect, it } from '@jest/globals';
import { html } from './html.js';
import { goingOnTo } from './paths.js';

describe('html', () => {
  it('escapes texts, and keeps HTML', () => {
    const inner = html`<b>${`<i title="x">&'</i>`}</b>`;
    expect(html`<p>${inner}${[inner, inner]}</p>`.text).toBe(
      `<p>${'<b>&lt;i title=&quot;x&quot;&gt;&amp;&#39;&lt;/i&gt;</b>'.repeat(3)}</p>`,
    );
  });
});

describe('goingOnTo', () => {
  it.each(['/ops', '/ops/queues', '/ops/queues/queue/steps'])('accepts %s', (path) => {
    expect(goingOnTo(path)).toBe(path);
  });

  it.each([
    '',
    '//evil.example',
    'https://evil.example',
    '/\\evil.example',
    '/ops/logout',
    '/ops/queues/../..',
    '/ops/queues\n',
    '/OPS',
  ])('replaces %j by the home page', (path) => {
    expect(goingOnTo(path)).toBe('/ops');
  });
});
