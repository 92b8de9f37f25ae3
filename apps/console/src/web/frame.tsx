import type { ComponentChildren } from 'preact';
import type { Operator } from '#libs/operators';
import { ASSETS } from './assets.js';
import { PATHS } from './paths.js';

const PAGES = [
  ['Now', PATHS.now],
  ['Onboardings', PATHS.onboardings],
  ['Funnel', PATHS.funnel],
  ['Operations', PATHS.operations],
  ['Queues', PATHS.queues],
  ['Audit', PATHS.audit],
] as const;

interface FrameProps {
  title: string;
  main: ComponentChildren;
  operator: Operator | null;
  token: string;
  /** The path of this page, with its query. */
  path: string;
}

export function Frame({ title, main, operator, token, path }: FrameProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <meta name="color-scheme" content="light dark" />
        <meta name="htmx-config" content='{"includeIndicatorCSS":false,"history":false,"prefix":""}' />
        <title>{`${title} · Gangway`}</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href={ASSETS.pico} />
        <link rel="stylesheet" href={ASSETS.style} />
        <script src={ASSETS.htmx} defer />
        <script src={ASSETS.script} type="module" />
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to the content
        </a>
        {operator && <Masthead operator={operator} token={token} path={path} />}
        <main id="main" class={operator ? 'container-fluid' : 'container narrow'}>
          {main}
        </main>
      </body>
    </html>
  );
}

function Masthead({ operator, token, path }: { operator: Operator; token: string; path: string }) {
  return (
    <header class="masthead">
      <nav aria-label="Pages">
        <ul>
          {PAGES.map(([name, href]) => (
            <li key={href}>
              <a href={href} aria-current={isWithin(path, href) ? 'page' : undefined}>
                {name}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <form method="post" action={PATHS.logout} class="whoami">
        <a href={PATHS.sessions}>
          {operator.name} <small>({operator.role})</small>
        </a>
        <input type="hidden" name="token" value={token} />
        <button type="submit" class="outline secondary">
          Log out
        </button>
      </form>
    </header>
  );
}

function isWithin(path: string, page: string): boolean {
  const [pathname = ''] = path.split('?', 1);
  return page === PATHS.now ? pathname === page : `${pathname}/`.startsWith(`${page}/`);
}
