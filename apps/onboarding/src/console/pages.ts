import type { Operator } from '#libs/operators';
import type { Finding } from '#libs/platform';
import { Html, html } from './html.js';
import { NOTHING, alertOf, logoutForm, masthead, page } from './layout.js';
import { PATHS } from './paths.js';

export interface LoginPage {
  formToken: string;
  /** The path of the page to show after the login. It is always a path of this console. */
  next: string;
  /** The error of the last try; null for none. */
  error: string | null;
  /**
   * Whether a link on another site led here. Then the request has no cookie, even if the operator is logged
   * in.
   */
  fromElsewhere: boolean;
}

/** The form never repeats the typed values: the user may have typed the password into the wrong field. */
export function loginPage({ formToken, next, error, fromElsewhere }: LoginPage): string {
  const described = error === null ? NOTHING : new Html('aria-describedby="error"');
  const again = html`<p class="quiet"><a href="${next}">Already logged in? Continue.</a></p>`;
  return page(
    'Log in',
    html`<main class="narrow">
      <h1>Gangway operations</h1>
      <form class="card login" method="post" action="${PATHS.login}">
        ${alertOf(error, 'error')}
        <input type="hidden" name="token" value="${formToken}" />
        <input type="hidden" name="next" value="${next}" />
        <label for="name">Name</label>
        <input
          id="name"
          name="name"
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
    html`${masthead(operator, formToken)}
      <main>
        <h1>Operations</h1>
        <nav class="card" aria-label="Operations">
          <ul>
            <li><a href="${PATHS.queues}">Queues</a></li>
            <li><a href="${PATHS.account}">Your account</a></li>
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

/** The page behind a logout link that cannot send a form, such as the link on the queue board. */
export function logoutPage({ operator, formToken }: { operator: Operator; formToken: string }): string {
  return page(
    'Log out',
    html`<main class="narrow">
      <h1>Log out</h1>
      <div class="card">
        <p>You are logged in as ${operator.name}.</p>
        ${logoutForm(formToken)}
      </div>
      <p><a href="${PATHS.home}">Back to the console</a></p>
    </main>`,
  );
}

/** A problem, as a page. */
export function refusalPage(title: string, detail: string, operator: Operator | null): string {
  const onward = operator?.mustChange
    ? html`<a href="${PATHS.account}">Choose a password</a>`
    : html`<a href="${PATHS.home}">Back to the console</a>`;
  const out = html`<p><a href="${PATHS.logout}">Log out</a></p>`;
  return page(
    title,
    html`<main class="narrow">
      <h1>${title}</h1>
      <div class="card">
        <p>${detail}</p>
        <p>${onward}</p>
        ${operator === null ? NOTHING : out}
      </div>
    </main>`,
  );
}
