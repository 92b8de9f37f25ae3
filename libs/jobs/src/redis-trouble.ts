/** Why Redis cannot be used now. `words` continue a sentence that begins with "Redis". */
export interface RedisTrouble {
  words: string;
  /** True if Redis has answered with a refusal; false if it cannot be reached. */
  refused: boolean;
  /** Whether a new connection may reach another server that works, e.g. after a failover. */
  elsewhere: boolean;
}

const REFUSALS: Record<string, [words: string, elsewhere: boolean]> = {
  READONLY: ['is a read-only replica and refuses writes', true],
  UNBLOCKED: ['is changing its role', true],
  MASTERDOWN: ['is a replica that has lost its master', true],
  CLUSTERDOWN: ['belongs to a cluster that is down', true],
  MOVED: ['does not hold our keys, another node of its cluster does', true],
  NOREPLICAS: ['refuses writes because it has too few replicas', true],
  NOAUTH: ['asks for a password that this connection did not give', true],
  WRONGPASS: ['refuses the user or password of REDIS_URL', false],
  NOPERM: ['does not permit the user of REDIS_URL what Gangway needs', false],
  DENIED: ['is in protected mode and refuses this address', false],
  MISCONF: ['refuses writes because it cannot save to its disk', false],
  OOM: ['is full and refuses writes: maxmemory is reached', false],
  LOADING: ['is still loading its data', false],
  BUSY: ['is held up by a script', false],
};

/** A script's error has the code in the middle of the text. */
const CODE = new RegExp(`\\b(${Object.keys(REFUSALS).join('|')})\\b`);

/** How Redis, Redis Cluster and common proxies refuse the database of a URL. */
export const NO_DATABASE = /DB index|SELECT is not allowed|invalid DB/i;

export function troubleOf(error: Error): RedisTrouble {
  const [code] = CODE.exec(error.message) ?? [];
  const known = code && REFUSALS[code];
  if (known) return { words: `${known[0]} (${code})`, refused: true, elsewhere: known[1] };
  if (/max number of clients/.test(error.message)) {
    return { words: 'has no connection left (maxclients is reached)', refused: true, elsewhere: false };
  }
  if (NO_DATABASE.test(error.message)) {
    return { words: 'has no database of the number in REDIS_URL', refused: true, elsewhere: false };
  }
  // Only the first word is shown, Redis's error code. The rest may repeat parts of the command.
  if (error.name === 'ReplyError') {
    const words = `refuses writes (${error.message.split(' ', 1)[0]})`;
    return { words, refused: true, elsewhere: false };
  }
  // ioredis throws this error while it reconnects. Its message describes an option of ioredis.
  if (error.name === 'MaxRetriesPerRequestError') return LOST;
  const why = (error as NodeJS.ErrnoException).code ?? error.message;
  return { words: `cannot be reached (${why})`, refused: false, elsewhere: false };
}

export const LOADING = troubleOf(new Error('LOADING'));
export const CLOSED: RedisTrouble = { words: 'has closed the connection', refused: false, elsewhere: false };
const LOST: RedisTrouble = {
  words: 'cannot be reached (the connection is lost)',
  refused: false,
  elsewhere: false,
};
export const NOT_YET: RedisTrouble = { words: 'is not connected yet', refused: false, elsewhere: false };
/** Redis may still answer reads, e.g. during CLIENT PAUSE WRITE. */
export const SILENT_TO_WRITES: RedisTrouble = {
  words: 'does not answer a write: it hangs, or CLIENT PAUSE holds it up',
  refused: false,
  elsewhere: false,
};
export const SILENT: RedisTrouble = { words: 'does not answer', refused: false, elsewhere: false };
