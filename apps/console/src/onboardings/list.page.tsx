import { STATES, type OnboardingSummary } from '#libs/onboarding';
import { mayActAs, type Role } from '#libs/operators';
import { Badge, Table, Time, type Tone } from '../web/parts.js';
import { PATHS, pathOfOnboarding } from '../web/paths.js';
import { fieldsOf, type ListQuery } from './filter.js';

interface ListPageProps {
  rows: readonly OnboardingSummary[];
  next: string | null;
  query: ListQuery;
  role: Role;
}

export function ListPage({ rows, next, query, role }: ListPageProps) {
  const fields = fieldsOf(query);
  const params = new URLSearchParams(fields).toString();
  return (
    <>
      <h1>Onboardings</h1>
      <SearchForm query={query} />
      <FilterForm query={query} />
      {rows.length === 0 ? <p role="status">No onboarding matches.</p> : <Rows rows={rows} />}
      <nav aria-label="More" class="more">
        {query.after !== undefined && <a href={`${PATHS.onboardings}?${params}`}>First page</a>}
        {next !== null && (
          <a rel="next" href={`${PATHS.onboardings}?${new URLSearchParams([...fields, ['after', next]])}`}>
            Next page
          </a>
        )}
        {rows.length > 0 && fields.length > 0 && mayActAs(role, 'operator') && (
          <a role="button" class="outline" href={`${PATHS.operations}/new?${params}`}>
            Act on all that match
          </a>
        )}
      </nav>
    </>
  );
}

function SearchForm({ query: { q } }: { query: ListQuery }) {
  return (
    <form method="get" action={PATHS.onboardings} class="search">
      <label for="q">Search by id, externalRef, subject, contact or otpId</label>
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
    <details open={fieldsOf(query).length > 0}>
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
          <label>
            Parked
            <select name="parked">
              <option value="">any</option>
              <option value="true" selected={query.parked === 'true'}>
                parked
              </option>
              <option value="false" selected={query.parked === 'false'}>
                not parked
              </option>
            </select>
          </label>
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
