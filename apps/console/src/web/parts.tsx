import {
  cloneElement,
  isValidElement,
  toChildArray,
  type ComponentChild,
  type ComponentChildren,
} from 'preact';

const UNITS: [name: string, ms: number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
];

/** A length of time for people, such as `3 minutes`. @param ms 0 or more */
export function lengthOf(ms: number): string {
  const [name, unit] = UNITS.find(([, each]) => ms >= each) ?? UNITS.at(-1)!;
  const count = Math.floor(ms / unit);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** An instant, relative to now, such as `3 minutes ago`. The tooltip shows the exact time. */
export function Time({ at }: { at: Date | string | null }) {
  if (at === null) return <span>–</span>;
  const instant = new Date(at);
  const distance = instant.getTime() - Date.now();
  const text = distance > 0 ? `in ${lengthOf(distance)}` : `${lengthOf(-distance)} ago`;
  return (
    <time datetime={instant.toISOString()} title={instant.toISOString()}>
      {text}
    </time>
  );
}

export function ExactTime({ at }: { at: Date | string }) {
  const instant = new Date(at).toISOString();
  return (
    <time datetime={instant} class="exact">
      {instant.slice(0, 19).replace('T', ' ')}
    </time>
  );
}

export type Tone = 'good' | 'bad' | 'warn' | 'quiet';

/** A short word on a coloured background. The word has the meaning, not the colour. */
export const Badge = ({ tone, children }: { tone: Tone; children: ComponentChildren }) => (
  <span class={`badge ${tone}`}>{children}</span>
);

export const AsOf = () => (
  <p>
    <small>
      As of <ExactTime at={new Date()} /> UTC.
    </small>
  </p>
);

export const countOf = ({ count, counted }: { count: number; counted: 'exactly' | 'at_least' }) =>
  `${counted === 'at_least' ? 'at least ' : ''}${count.toLocaleString('en')}`;

/**
 * A part of the page that refreshes itself. Without scripts, this part does not change.
 *
 * @param path the path and the query of this page
 */
export function Live({ path, everyS, children }: LiveProps) {
  return (
    <div
      id="live"
      hx-get={path}
      hx-trigger={`every ${everyS}s`}
      hx-select="#live"
      hx-target="#live"
      hx-swap="outerMorph"
    >
      {children}
    </div>
  );
}

interface LiveProps {
  path: string;
  everyS: number;
  children: ComponentChildren;
}

/** A table. On a narrow screen, each row is a card, in which each cell has the name of its column. */
export function Table({ label, head, children }: TableProps) {
  return (
    <div class="table">
      <table class="striped" aria-label={label}>
        <thead>
          <tr>
            {head.map((name) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{toChildArray(children).map((row) => named(row, head))}</tbody>
      </table>
    </div>
  );
}

/** Gives each cell of a row the name of its column. */
function named(row: ComponentChild, head: readonly string[]): ComponentChild {
  if (!isValidElement(row)) return row;
  const { children } = row.props as { children?: ComponentChildren };
  const cells = toChildArray(children).map((cell, at) =>
    isValidElement(cell) ? cloneElement(cell, { 'data-label': head[at] }) : cell,
  );
  return cloneElement(row, {}, cells);
}

interface TableProps {
  label: string;
  head: readonly string[];
  children: ComponentChildren;
}

/** A form that changes something. It sends the token that protects the session's forms. */
export function ActionForm({ action, token, children, ...more }: ActionFormProps) {
  return (
    <form method="post" action={action} {...more}>
      <input type="hidden" name="token" value={token} />
      {children}
    </form>
  );
}

interface ActionFormProps {
  action: string;
  token: string;
  children: ComponentChildren;
  class?: string;
}

export function ReasonField({ id }: { id: string }) {
  return (
    <>
      <label for={id}>Reason</label>
      <input id={id} name="reason" required maxlength={500} autocomplete="off" />
    </>
  );
}
