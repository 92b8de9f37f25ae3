import { describe, expect, it } from '@jest/globals';
import { html } from './html.js';

describe('the template tag "html"', () => {
  it('escapes inserted strings, but not inserted values of the class Html', () => {
    const evil = `<script>alert("it's")</script>&`;
    expect(html`<p title="${evil}">${[html`<b>${evil}</b>`]}</p>`.text).toBe(
      '<p title="&lt;script&gt;alert(&quot;it&#39;s&quot;)&lt;/script&gt;&amp;">' +
        '<b>&lt;script&gt;alert(&quot;it&#39;s&quot;)&lt;/script&gt;&amp;</b></p>',
    );
  });
});
