/** Fails if a commit has a subject of more than 72 characters. */
import { execFileSync } from 'node:child_process';

const MOST = 72;
/** The rule did not exist before this time. */
const SINCE = '2026-11-29T20:00:00Z';

const log = execFileSync('git', ['log', '--no-merges', `--since=${SINCE}`, '--format=%h %s'], {
  encoding: 'utf8',
});
const long = log.split('\n').filter((line) => line.length - line.indexOf(' ') - 1 > MOST);
for (const line of long) console.error(`${line}: the subject has more than ${MOST} characters`);
process.exitCode = long.length > 0 ? 1 : 0;
