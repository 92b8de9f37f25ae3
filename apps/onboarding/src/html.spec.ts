import { describe, expect, it } from '@jest/globals';
import { html } from './html.js';

describe('html', () => {
  it('escapes texts, and keeps markup that html wrote', () => {
    const evil = `<script>alert("it's")</script>&`;
    expect(html`<p title="${evil}">${[html`<b>${evil}</b>`]}</p>`.text).toBe(
      '<p title="&lt;script&gt;alert(&quot;it&#39;s&quot;)&lt;/script&gt;&amp;">' +
        '<b>&lt;script&gt;alert(&quot;it&#39;s&quot;)&lt;/script&gt;&amp;</b></p>',
    );
  });
});
