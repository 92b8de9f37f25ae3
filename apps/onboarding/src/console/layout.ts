import type { Operator } from '#libs/operators';
import { Html, html } from './html.js';
import { PATHS } from './paths.js';

export const NOTHING = new Html('');

/** @returns a whole document */
export function page(title: string, body: Html): string {
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

/** The header: the operator's name and role, and the logout. */
export function masthead({ name, role }: Operator, formToken: string): Html {
  return html`<header>
    <p class="name">Gangway</p>
    <p>${name} <span class="quiet">(${role})</span></p>
    ${logoutForm(formToken)}
  </header>`;
}

export function logoutForm(formToken: string): Html {
  return html`<form method="post" action="${PATHS.logout}">
    <input type="hidden" name="token" value="${formToken}" />
    <button type="submit">Log out</button>
  </form>`;
}

/** The error of the last try. Screen readers read it immediately. The fields of the form refer to its id. */
export const alertOf = (error: string | null, id: string) =>
  error === null ? NOTHING : html`<p class="error" id="${id}" role="alert">${error}</p>`;
