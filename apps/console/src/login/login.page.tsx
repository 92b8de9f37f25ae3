import type { LoginWays } from '#libs/operators';
import { ActionForm } from '../web/parts.js';
import { PATHS } from '../web/paths.js';

export interface LoginProps {
  ways: LoginWays;
  /** The token that protects the forms on this page, from `FormTokens`. */
  token: string;
  /** The path to open after the login. */
  next: string;
  /** Why the last login failed. Null before the first login. */
  error: string | null;
  /** Whether the last login was an emergency login. If so, the emergency form stays open. */
  wasEmergency: boolean;
  /** After a logout: the URL to log out at the identity provider, or null. Without a logout: undefined. */
  loggedOut?: string | null | undefined;
}

/** The forms never repeat typed values: the operator may have typed the password into the wrong field. */
export function LoginPage({ ways, token, next, error, wasEmergency, loggedOut }: LoginProps) {
  const { provider, emergency } = ways;
  return (
    <>
      <h1>Gangway console</h1>
      {error !== null && (
        <p class="bad" role="alert" id="error">
          {error}
        </p>
      )}
      {loggedOut !== undefined && <LoggedOut provider={provider} url={loggedOut} />}
      {provider !== null && (
        <p>
          <a role="button" href={`${PATHS.oidc}?${new URLSearchParams({ next })}`}>
            Log in with {provider}
          </a>
        </p>
      )}
      {emergency && (
        <details open={provider === null || wasEmergency}>
          <summary>Emergency login</summary>
          <EmergencyForm token={token} next={next} isWrong={wasEmergency && error !== null} />
        </details>
      )}
      <p>
        <small>
          {provider === null &&
            !emergency &&
            'No identity provider is configured: set OIDC_ISSUER and OIDC_CLIENT_ID. '}
          With a shell on the host, make a one-time link:{' '}
          <code>gangway console link --name &lt;name&gt; --role &lt;role&gt;</code>
        </small>
      </p>
    </>
  );
}

function LoggedOut({ provider, url }: { provider: string | null; url: string | null }) {
  return (
    <p role="status">
      You are logged out of the console.
      {url !== null && (
        <>
          {' '}
          <a href={url}>Log out of {provider} too</a>
        </>
      )}
    </p>
  );
}

function EmergencyForm({ token, next, isWrong }: { token: string; next: string; isWrong: boolean }) {
  const described = isWrong ? { 'aria-describedby': 'error' } : {};
  return (
    <ActionForm action={PATHS.emergency} token={token}>
      <p>Use it only if the identity provider is down. The audit records each use with your name.</p>
      <input type="hidden" name="next" value={next} />
      <label for="name">Your own name</label>
      <input id="name" name="name" autocomplete="name" maxlength={64} required {...described} />
      <label for="password">Emergency password</label>
      <input
        id="password"
        name="password"
        type="password"
        autocomplete="current-password"
        maxlength={256}
        required
        {...described}
      />
      <button type="submit">Log in</button>
    </ActionForm>
  );
}

/**
 * The page of a one-time link. Only a click on its button uses up the link: a program that previews the link
 * does not.
 */
export function LinkPage({ token, link }: { token: string; link: string }) {
  return (
    <>
      <h1>Gangway console</h1>
      <ActionForm action={PATHS.link} token={token}>
        <p>This link logs in once.</p>
        <input type="hidden" name="link" value={link} />
        <button type="submit">Log in</button>
      </ActionForm>
    </>
  );
}
