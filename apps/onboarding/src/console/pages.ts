import type { Operator } from '#libs/operators';
import type { Finding } from '#libs/platform';
import { Html, html } from './html.js';
import { PATHS } from './paths.js';

const NOTHING = new Html('');

/** @returns a whole document. */
function page(title: string, body: Html): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · Gangway</title>
        <link rel="stylesheet" href="${PATHS.stylesheet}" />
      </head>
      <body>
        ${body}
      </body>
    </html> `.text;
}

export interface LoginPage {
  formToken: string;
  /** Where to go on afterwards: one of our own paths. */
  next: string;
  /** What was wrong with the last try. */
  error: string | null;
  /** What was typed then. Never the password. */
  name: string;
  /** A link from elsewhere carries no cookie, whoever is logged in. */
  fromElsewhere: boolean;
}

export function loginPage({ formToken, next, error, name, fromElsewhere }: LoginPage): string {
  const wrong = error === null ? NOTHING : html`<p class="error" id="error" role="alert">${error}</p>`;
  const described = error === null ? NOTHING : new Html('aria-describedby="error"');
  const again = html`<p class="quiet"><a href="${next}">Already logged in? Go on.</a></p>`;
  return page(
    'Log in',
    html`<main class="narrow">
      <h1>Gangway operations</h1>
      <form class="card login" method="post" action="${PATHS.login}">
        ${wrong}
        <input type="hidden" name="token" value="${formToken}" />
        <input type="hidden" name="next" value="${next}" />
        <label for="name">Name</label>
        <input
          id="name"
          name="name"
          value="${name}"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
          maxlength="64"
          required
          ${described}
        />
        <label for="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autocomplete="current-password"
          maxlength="256"
          required
          ${described}
        />
        <button type="submit">Log in</button>
      </form>
      ${fromElsewhere ? again : NOTHING}
    </main>`,
  );
}

export interface HomePage {
  operator: Operator;
  formToken: string;
  status: string;
  checks: Record<string, Finding>;
}

export function homePage({ operator, formToken, status, checks }: HomePage): string {
  const rows = Object.entries(checks).map(
    ([name, { status, detail }]) =>
      html`<tr>
        <th scope="row">${name}</th>
        <td>
          <span class="${status}">${status}</span
          >${detail ? html`<br /><span class="quiet">${detail}</span>` : NOTHING}
        </td>
      </tr> `,
  );
  return page(
    'Operations',
    html`<header>
        <p class="name">Gangway</p>
        <p>${operator.name} <span class="quiet">(${operator.role})</span></p>
        <form method="post" action="${PATHS.logout}">
          <input type="hidden" name="token" value="${formToken}" />
          <button type="submit">Log out</button>
        </form>
      </header>
      <main>
        <h1>Operations</h1>
        <nav class="card" aria-label="Operations">
          <ul>
            <li><a href="${PATHS.queues}">Queues</a></li>
            <li><a href="/docs">The API’s routes</a></li>
          </ul>
        </nav>
        <section class="card" aria-labelledby="health">
          <h2 id="health">Health: <span class="${status === 'ok' ? 'up' : 'down'}">${status}</span></h2>
          <table>
            ${rows}
          </table>
        </section>
      </main>`,
  );
}

/** What could not be done, for a person to read. */
export function refusalPage(title: string, detail: string): string {
  return page(
    title,
    html`<main class="narrow">
      <h1>${title}</h1>
      <div class="card">
        <p>${detail}</p>
        <p><a href="${PATHS.home}">Back to the console</a></p>
      </div>
    </main>`,
  );
}
