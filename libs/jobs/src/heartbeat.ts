import type { Redis } from 'ioredis';

const BEAT_MS = 1_000;
/** Beats, not milliseconds: a process that was too busy to read an answer counts one, however long it was. */
const BEATS_WITHOUT_ANSWER = 2;

/**
 * Asks Redis for a sign of life, and makes the connection anew when none comes: a server that hangs, or a network
 * that lost the connection, closes nothing, and every command would wait for good. Not for a connection that
 * makes blocking reads. Ends with its connection.
 *
 * ioredis has `socketTimeout` for this, but its timer outlives the connection it was set for: it then cuts the next,
 * healthy one, or keeps a process that has done all its work.
 */
export function beat(redis: Redis): void {
  /** Beats since the question that is open; the handshake of a new connection is one too. */
  let open: number | undefined;
  const answered = () => (open = undefined);
  redis.on('connect', () => (open = 0));
  redis.on('ready', answered);
  redis.on('close', answered);

  const timer = setInterval(() => {
    // Between connections ioredis has its own timer, which disconnect() would take away.
    if (redis.status !== 'ready' && redis.status !== 'connect') return;
    if (open === undefined) {
      open = 0;
      redis.ping().then(answered, () => undefined);
    } else if (++open >= BEATS_WITHOUT_ANSWER) {
      open = undefined;
      redis.disconnect(true);
    }
  }, BEAT_MS);
  timer.unref();
  redis.once('end', () => clearInterval(timer));
}
