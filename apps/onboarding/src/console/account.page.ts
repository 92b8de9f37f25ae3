import type { Operator, OperatorSession } from '#libs/operators';
import { Html, html } from './html.js';
import { NOTHING, alertOf, masthead, page } from './layout.js';
import { PATHS } from './paths.js';

export interface AccountPage {
  operator: Operator;
  formToken: string;
  sessions: OperatorSession[];
  /** The result of the last action, as a text; null if there was no action. */
  done?: string | null;
  /** The error of the last try, and the form that was sent. */
  wrong?: { form: 'password' | 'sessions'; error: string } | null;
}

export function accountPage({
  operator,
  formToken,
  sessions,
  done = null,
  wrong = null,
}: AccountPage): string {
  const errorOf = (form: 'password' | 'sessions') => (wrong?.form === form ? wrong.error : null);
  return page(
    'Your account',
    html`${masthead(operator, formToken)}
      <main>
        <h1>Your account</h1>
        ${done === null ? NOTHING : html`<p class="card up" role="status">${done}</p>`}
        <section class="card" aria-labelledby="password-heading">
          <h2 id="password-heading">Password</h2>
          ${operator.id === null ? ENVIRONMENT : passwordForm(operator, formToken, errorOf('password'))}
        </section>
        <section class="card" aria-labelledby="sessions-heading">
          <h2 id="sessions-heading">Where you are logged in</h2>
          ${sessionsForm(formToken, sessions, errorOf('sessions'))}
        </section>
        ${operator.mustChange ? NOTHING : html`<p><a href="${PATHS.home}">Back to the console</a></p>`}
      </main>`,
  );
}

const ENVIRONMENT = html`<p>
  This account comes from the service’s environment: its name is <code>OPS_USER</code>, its password
  <code>OPS_PASSWORD</code>. To change them, change the environment and restart the service. This ends all
  sessions of the account.
</p>`;

function passwordForm({ name, mustChange }: Operator, formToken: string, error: string | null): Html {
  const first = html`<p>
    Another person chose your password. Choose your own now: until then, all other pages are closed.
  </p>`;
  return html`${mustChange ? first : NOTHING}
    <form method="post" action="${PATHS.password}">
      ${alertOf(error, 'password-error')}
      <input type="hidden" name="token" value="${formToken}" />
      <input type="text" value="${name}" autocomplete="username" readonly hidden />
      ${passwordField('current', 'Current password', 'current-password', error && 'password-error')}
      <p class="quiet" id="rule">
        12 to 128 characters of any kind. Several words of your own choice make a good password.
      </p>
      ${passwordField('wanted', 'New password', 'new-password', 'rule')}
      ${passwordField('again', 'New password, once more', 'new-password', null)}
      <button type="submit">Change the password</button>
      <p class="quiet after">You stay logged in here. All your other sessions end.</p>
    </form>`;
}

function sessionsForm(formToken: string, sessions: OperatorSession[], error: string | null): Html {
  const others = sessions.length > 1;
  const describedBy = error && 'sessions-error';
  // The Enter key presses the first button of a form. This must be the button for all other sessions, not the
  // button for one of them.
  const ending = html`<input type="hidden" name="token" value="${formToken}" />
    ${passwordField('password', 'Your password, to end sessions', 'current-password', describedBy)}
    <button type="submit" name="session" value="others">End all others</button>`;
  return html`<form method="post" action="${PATHS.sessions}">
    ${alertOf(error, 'sessions-error')} ${others ? ending : NOTHING}
    <ul class="sessions">
      ${sessions.map(sessionItem)}
    </ul>
  </form>`;
}

function sessionItem({ id, address, beganAt, lastUsedAt, isThis }: OperatorSession): Html {
  const end = html`<button
    type="submit"
    name="session"
    value="${id}"
    aria-label="End the session from ${address} since ${readable(beganAt)}"
  >
    End
  </button>`;
  return html`<li>
    <div>
      <strong>${address}</strong> ${isThis ? html`<span class="up">this session</span>` : NOTHING}<br />
      <span class="quiet">since ${time(beganAt)}, last used ${time(lastUsedAt)}</span>
    </div>
    ${isThis ? NOTHING : end}
  </li>`;
}

function passwordField(id: string, label: string, autocomplete: string, describedBy: string | null): Html {
  return html`<label for="${id}">${label}</label>
    <input
      id="${id}"
      name="${id}"
      type="password"
      autocomplete="${autocomplete}"
      maxlength="256"
      required
      ${describedBy === null ? NOTHING : html`aria-describedby="${describedBy}"`}
    />`;
}

/** Shows times in UTC: the page has no script, so it does not know the reader's time zone. */
const readable = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
const time = (at: Date) => html`<time datetime="${at.toISOString()}">${readable(at)}</time>`;
