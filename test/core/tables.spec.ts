import { describe, it } from '@jest/globals';
import { commandsTable, timeTable } from './commands-tables.js';
import { endsTable } from './ends-table.js';
import { lastMomentsTable, lawTable, machineTable, waitsTable } from './law-tables.js';
import { RecordedTable } from './recorded-table.js';
import { toldTable } from './told-table.js';

/** Rewrites the tables, where a change of them is wanted. */
const ACCEPT = 'ACCEPT_TABLES=1 npm run test:unit -- test/core';

/** By the name of the file: what it holds, and what it is. */
const TABLES: Record<string, { about: string; table: () => string | Promise<string> }> = {
  machine: { about: 'Where each signal leads from each state.', table: machineTable },
  'retry-law': {
    about: 'What the retry law says of the last call of a submission, whatever the row.',
    table: () =>
      [lawTable(), `how long it waits\n${waitsTable()}`, `the last moments\n${lastMomentsTable()}`].join(
        '\n\n',
      ),
  },
  'ends-of-init-otp': { about: 'What each end of sending a code does.', table: () => endsTable('init-otp') },
  'ends-of-verify-otp': {
    about: 'What each end of verifying a code does.',
    table: () => endsTable('verify-otp'),
  },
  'ends-of-create-authenticators': {
    about: 'What each end of registering passkeys does.',
    table: () => endsTable('create-authenticators'),
  },
  commands: {
    about: 'What each command does in each situation, or with what it is refused.',
    table: commandsTable,
  },
  told: {
    about: 'What the caller of a step hears at the end of its wait, even if another process moved the row.',
    table: toldTable,
  },
  time: {
    about: 'What the time does to an onboarding, by its state, what is over, and its last attempt.',
    table: timeTable,
  },
};

const HOW_TO_READ = `Equal cells stand together. "a | b" is either; a dimension that makes no difference is left out. An outcome begins with state
and next action. Of the row it tells what differs from before: counters by how much, instants from now, attempts from the one
before (this, next, earlier, or older than the submission).`;

describe('the core does what its table says', () => {
  it.each(Object.entries(TABLES))('%s', async (name, { about, table }) => {
    const recorded = new RecordedTable(name, `${about}\n${HOW_TO_READ}`, ACCEPT);
    for (const entry of (await table()).split('\n\n')) recorded.compare(entry);
    recorded.end();
  });
});
