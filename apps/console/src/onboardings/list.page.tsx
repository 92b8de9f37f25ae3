import { PARKED_REASONS, STATES, STEPS, type OnboardingSummary } from '#libs/onboarding';
import { mayActAs, type Role } from '#libs/operators';
import { AsOf, Badge, Live, Table, Time, type Tone } from '../web/parts.js';
import { PATHS, pathOfOnboarding } from '../web/paths.js';
import { fieldsOf, type ListQuery } from './filter.js';

interface ListPageProps {
  rows: readonly OnboardingSummary[];
  next: string | null;
  query: ListQuery;
  role: Role;
}

export function ListPage({ rows, next, query, role }: ListPageProps) {
  // A search covers all onboardings, so it ignores the filter.
  const fields = query.q === undefined ? fieldsOf(query) : [];
  const params = new URLSearchParams(fields).toString();
  const pathAfter = (after: string) =>
    `${PATHS.onboardings}?${new URLSearchParams([...fields, ['after', after]]).toString()}`;
  const mayActOnAll = rows.length > 0 && fields.length > 0 && mayActAs(role, 'operator');
  return (
    <>
      <h1>Onboardings</h1>
      <SearchForm query={query} />
      <FilterForm query={query} />
      <div class="summary">
        {fields.map(([name, value]) => (
          <Badge tone="quiet" key={`${name} ${value}`}>{`${name} = ${value}`}</Badge>
        ))}
        {fields.length > 0 && <a href={PATHS.onboardings}>Show all</a>}
        {mayActOnAll && (
          <a role="button" class="outline" href={`${PATHS.operations}/new?${params}`}>
            Act on all that match
          </a>
        )}
      </div>
      <Live path={pathOf(query, params, pathAfter)} everyS={10}>
        {rows.length === 0 ? <p role="status">{nothingFound(query)}</p> : <Rows rows={rows} />}
        <AsOf />
      </Live>
      <nav aria-label="More" class="more">
        {query.after !== undefined && <a href={`${PATHS.onboardings}?${params}`}>First page</a>}
        {next !== null && (
          <a rel="next" href={pathAfter(next)}>
            Next page
          </a>
        )}
      </nav>
    </>
  );
}

function pathOf({ q, after }: ListQuery, params: string, pathAfter: (after: string) => string): string {
  if (q !== undefined) return `${PATHS.onboardings}?${new URLSearchParams({ q }).toString()}`;
  return after === undefined ? `${PATHS.onboardings}?${params}` : pathAfter(after);
}

const nothingFound = ({ q }: ListQuery) =>
  q === undefined
    ? 'No onboarding matches the filter.'
    : 'No onboarding has exactly this value. The search finds whole values only.';

function SearchForm({ query: { q } }: { query: ListQuery }) {
  return (
    <form method="get" action={PATHS.onboardings} class="search">
      <label for="q">Search for a whole id, externalRef, subject id, contact or otpId</label>
      <div role="group">
        <input id="q" name="q" type="search" value={q ?? ''} maxlength={256} spellcheck={false} />
        <button type="submit">Search</button>
      </div>
    </form>
  );
}

function FilterForm({ query }: { query: ListQuery }) {
  const asked = new Set(query.state);
  return (
    <details>
      <summary>Filter</summary>
      <form method="get" action={PATHS.onboardings} class="filter">
        <fieldset>
          <legend>States</legend>
          <div class="choices">
            <label>
              <input type="checkbox" name="live" value="true" checked={query.live !== undefined} />
              all live
            </label>
            <label>
              <input
                type="checkbox"
                name="unresolved"
                value="true"
                checked={query.unresolved !== undefined}
              />
              ended with an unknown outcome
            </label>
            {STATES.map((state) => (
              <label key={state}>
                <input type="checkbox" name="state" value={state} checked={asked.has(state)} />
                {state}
              </label>
            ))}
          </div>
        </fieldset>
        <div class="grid">
          <label>
            Integration
            <input name="integration" value={query.integration ?? ''} maxlength={256} />
          </label>
          <label>
            Caller
            <input name="caller" value={query.caller ?? ''} maxlength={256} />
          </label>
          <Choice label="Step" name="step" values={STEPS} chosen={query.step} />
          <Choice
            label="Waits for its next try"
            name="waiting"
            values={['true']}
            words={{ true: 'yes' }}
            chosen={query.waiting}
          />
          <Choice
            label="Parked"
            name="parked"
            values={['true', 'false']}
            words={{ true: 'parked', false: 'not parked' }}
            chosen={query.parked}
          />
          <Choice
            label="Reason of parking"
            name="parkedReason"
            values={PARKED_REASONS}
            chosen={query.parkedReason}
          />
          <label>
            Started from (UTC)
            <input name="createdAfter" type="date" value={dayOf(query.createdAfter)} />
          </label>
          <label>
            Started before (UTC)
            <input name="createdBefore" type="date" value={dayOf(query.createdBefore)} />
          </label>
        </div>
        <button type="submit" class="secondary">
          Filter
        </button>
      </form>
    </details>
  );
}

interface ChoiceProps {
  label: string;
  name: keyof ListQuery;
  values: readonly string[];
  /** The texts to show instead of the values. */
  words?: Record<string, string>;
  chosen: string | undefined;
}

function Choice({ label, name, values, words = {}, chosen }: ChoiceProps) {
  return (
    <label>
      {label}
      <select name={name}>
        <option value="">any</option>
        {values.map((value) => (
          <option value={value} selected={value === chosen} key={value}>
            {words[value] ?? value}
          </option>
        ))}
      </select>
    </label>
  );
}

const dayOf = (date: Date | undefined) => date?.toISOString().slice(0, 10) ?? '';

export function Rows({ rows }: { rows: readonly OnboardingSummary[] }) {
  return (
    <Table
      label="Onboardings"
      head={[
        'Onboarding',
        'State',
        'Integration',
        'Caller',
        'externalRef',
        'Last result',
        'Started',
        'Changed',
      ]}
    >
      {rows.map((row) => (
        <tr key={row.id}>
          <th scope="row">
            <a href={pathOfOnboarding(row.id)}>
              <code>{row.id}</code>
            </a>
          </th>
          <td>
            <StateBadge state={row.state} parkedReason={row.parkedReason} />
          </td>
          <td>{row.integration}</td>
          <td>{row.caller}</td>
          <td>{row.externalRef ?? '–'}</td>
          <td>{row.lastResultCode ?? '–'}</td>
          <td>
            <Time at={row.createdAt} />
          </td>
          <td>
            <Time at={row.updatedAt} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

type Shown = Pick<OnboardingSummary, 'state' | 'parkedReason'>;

export function StateBadge({ state, parkedReason }: Shown) {
  return (
    <>
      <Badge tone={toneOf(state)}>{state}</Badge>
      {parkedReason !== null && (
        <>
          {' '}
          <Badge tone="warn">{`parked: ${parkedReason}`}</Badge>
        </>
      )}
    </>
  );
}

function toneOf(state: OnboardingSummary['state']): Tone {
  if (state === 'completed') return 'good';
  if (state === 'failed') return 'bad';
  return state === 'outcome_unknown' ? 'warn' : 'quiet';
}
