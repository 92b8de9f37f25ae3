import { describe, it } from '@jest/globals';
import { commandsTable, timeTable } from './commands-tables.js';
import { endsTable } from './ends-table.js';
import { lastMomentsTable, lawTable, machineTable, waitsTable } from './law-tables.js';
import { RecordedTable } from './recorded-table.js';
import { toldTable } from './told-table.js';

/** The command that rewrites the tables, to accept a change. */
const ACCEPT = 'ACCEPT_TABLES=1 npm run test:unit -- test/core';

/** For each file in `tables`: its description and its text. */
const TABLES: Record<string, { about: string; table: () => string | Promise<string> }> = {
  machine: { about: 'The state after each signal, from each state.', table: machineTable },
  'retry-law': {
    about: 'The decision of the retry law about the last call of a submission.',
    table: () =>
      [lawTable(), `how long it waits\n${waitsTable()}`, `the last moments\n${lastMomentsTable()}`].join(
        '\n\n',
      ),
  },
  'ends-of-init-otp': {
    about: 'The effect of each end of an attempt to send a code.',
    table: () => endsTable('init-otp'),
  },
  'ends-of-verify-otp': {
    about: 'The effect of each end of an attempt to verify a code.',
    table: () => endsTable('verify-otp'),
  },
  'ends-of-create-authenticators': {
    about: 'The effect of each end of an attempt to register passkeys.',
    table: () => endsTable('create-authenticators'),
  },
  commands: {
    about: 'The effect of each command in each situation, or its refusal.',
    table: commandsTable,
  },
  told: {
    about: 'The answer to a caller that waited for a step, even if another process has changed the row.',
    table: toldTable,
  },
  time: {
    about: 'The effect of time on an onboarding, by its state, the life that is over, and its last attempt.',
    table: timeTable,
  },
};

const HOW_TO_READ = `Cells with the same outcome form one entry. "a | b" means a or b. An entry leaves out the
dimensions that make no difference. An outcome begins with the state and the next action. The changes of the
row follow: a counter by its change, a time by its distance from now, and an attempt relative to the previous
attempt (this, next, earlier, or older than the submission).`;

describe('the decisions of the service match the committed table', () => {
  it.each(Object.entries(TABLES))('%s', async (name, { about, table }) => {
    const recorded = new RecordedTable(name, `${about}\n${HOW_TO_READ}`, ACCEPT);
    for (const entry of (await table()).split('\n\n')) recorded.compare(entry);
    recorded.end();
  });
});
