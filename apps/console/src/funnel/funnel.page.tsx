import type { Funnel, FunnelFigures } from '#libs/onboarding';
import { ASSETS } from '../web/assets.js';
import { Table, Time, lengthOf } from '../web/parts.js';
import { PATHS } from '../web/paths.js';

const STAGES = [
  ['Started', 'started', null],
  ['Code sent', 'codeSent', 'startedToCodeSent'],
  ['Verified', 'verified', 'codeSentToVerified'],
  ['Registered', 'registered', 'verifiedToRegistered'],
] as const;

export function FunnelPage({ funnel }: { funnel: Funnel }) {
  const { total, days, integrations } = funnel;
  return (
    <>
      <link rel="stylesheet" href={ASSETS.uplotStyle} />
      <script src={ASSETS.uplot} defer />
      <script src={ASSETS.chart} type="module" />
      <h1>Funnel</h1>
      <RangeForm funnel={funnel} />
      <p>
        Onboardings by the day (UTC) on which they started.{' '}
        {funnel.countedAt === null ? (
          'These days were not counted yet.'
        ) : (
          <>
            Counted <Time at={funnel.countedAt} />.
          </>
        )}
      </p>
      <Stages figures={total} />
      {days.length > 1 && (
        <figure>
          <div class="chart" data-chart={JSON.stringify(seriesOf(funnel))} />
          <figcaption>
            <small>Onboardings by day. The table below has the same figures.</small>
          </figcaption>
        </figure>
      )}
      <section>
        <h2>Endings</h2>
        <Endings figures={total} />
      </section>
      <section>
        <h2>By integration</h2>
        <Figures
          label="By integration"
          first="Integration"
          rows={integrations.map((each) => [each.integration, each])}
        />
      </section>
      <section>
        <h2>By day</h2>
        <Figures
          label="By day"
          first="Day"
          rows={days
            .toReversed()
            .map((each) => [
              each.isFinal || each.started === 0 ? each.day : `${each.day} (may still change)`,
              each,
            ])}
        />
      </section>
    </>
  );
}

/** The columns of the chart: the days in seconds since the epoch, then one for each stage. */
const seriesOf = ({ days }: Funnel) => [
  days.map(({ day }) => Date.parse(day) / 1_000),
  ...STAGES.map(([, member]) => days.map((each) => each[member])),
];

function RangeForm({ funnel: { from, to, integration } }: { funnel: Funnel }) {
  return (
    <form method="get" action={PATHS.funnel}>
      <div class="grid">
        <label>
          From
          <input type="date" name="from" value={from} />
        </label>
        <label>
          To
          <input type="date" name="to" value={to} />
        </label>
        <label>
          Integration
          <input name="integration" value={integration ?? ''} placeholder="all" maxlength={256} />
        </label>
      </div>
      <div class="summary">
        <button type="submit" class="secondary">
          Show
        </button>
        {LAST_DAYS.map(([name, count]) => (
          <a key={name} href={`${PATHS.funnel}?from=${dayBefore(to, count - 1)}&to=${to}`}>
            {name}
          </a>
        ))}
      </div>
    </form>
  );
}

const LAST_DAYS = [
  ['One day', 1],
  ['7 days', 7],
  ['30 days', 30],
] as const;

const dayBefore = (day: string, count: number) =>
  new Date(Date.parse(day) - count * 86_400_000).toISOString().slice(0, 10);

function Stages({ figures }: { figures: FunnelFigures }) {
  return (
    <ol class="stages" aria-label="Stages">
      {STAGES.map(([name, member, median]) => (
        <li key={member}>
          <strong>{figures[member].toLocaleString('en')}</strong> {name}
          {member !== 'started' && <small>{shareOf(figures[member], figures.started)}</small>}
          {median !== null && figures.medianMs[median] !== null && (
            <small>median {durationText(figures.medianMs[median])} after the stage before</small>
          )}
          <progress value={figures[member]} max={Math.max(figures.started, 1)} aria-label={name} />
        </li>
      ))}
    </ol>
  );
}

const shareOf = (part: number, whole: number) =>
  whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`;

/** Formats a median duration. Calls are short, so it does not round to whole seconds. */
const durationText = (ms: number) =>
  ms < 1_000 ? `${Math.round(ms)} ms` : ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : lengthOf(ms);

function Endings({ figures: { endings, live, started } }: { figures: FunnelFigures }) {
  return (
    <Table label="Endings" head={['Ending', 'Last result', 'Onboardings', 'Share']}>
      {endings.map(({ state, code, count }) => (
        <tr key={`${state} ${code}`}>
          <th scope="row">{state}</th>
          <td>{code ?? '–'}</td>
          <td>{count.toLocaleString('en')}</td>
          <td>{shareOf(count, started)}</td>
        </tr>
      ))}
      <tr>
        <th scope="row">still live</th>
        <td>–</td>
        <td>{live.toLocaleString('en')}</td>
        <td>{shareOf(live, started)}</td>
      </tr>
    </Table>
  );
}

function Figures({ label, first, rows }: FiguresProps) {
  return (
    <Table
      label={label}
      head={[
        first,
        'Started',
        'Code sent',
        'Verified',
        'Registered',
        'Live',
        'Median from start to registered',
      ]}
    >
      {rows.map(([name, figures]) => (
        <tr key={name}>
          <th scope="row">{name}</th>
          {STAGES.map(([, member]) => (
            <td key={member}>{figures[member].toLocaleString('en')}</td>
          ))}
          <td>{figures.live.toLocaleString('en')}</td>
          <td>
            {figures.medianMs.startedToRegistered === null
              ? '–'
              : durationText(figures.medianMs.startedToRegistered)}
          </td>
        </tr>
      ))}
    </Table>
  );
}

interface FiguresProps {
  label: string;
  first: string;
  rows: readonly [name: string, figures: FunnelFigures][];
}
