import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testDatabaseUrl } from '#libs/testing';
import { StepUnderTest, type Fault } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';

/** A proxy to PostgreSQL that can lose the answer to a statement: PostgreSQL carries it out, and the connection breaks. */
interface LossyWay {
  url: string;
  /** Loses the answer to the next statement that has this text in its values. */
  loseNext(text: string): void;
  /** How many answers were lost. */
  lost: number;
  close(): Promise<void>;
}

/** PostgreSQL's word that the transaction is over: `ReadyForQuery`, idle. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

async function openLossyWay(target: string): Promise<LossyWay> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let awaited: string | null = null;
  const listener = createServer((client) => {
    const server = connect(Number(port), hostname);
    let isLost = false;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (chunk) => {
      if (awaited !== null && chunk.includes(awaited)) [awaited, isLost] = [null, true];
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (!isLost) return void client.write(chunk);
      if (!chunk.subarray(-READY.length).equals(READY)) return;
      way.lost++;
      server.destroy();
    });
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((listener.address() as AddressInfo).port);
  const way: LossyWay = {
    url: url.href,
    lost: 0,
    loseNext(text) {
      awaited = text;
    },
    async close() {
      const closed = once(listener, 'close');
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return way;
}

let way: LossyWay;
let story: Story;
beforeAll(async () => {
  way = await openLossyWay(await testDatabaseUrl());
  story = await Story.begin({ worker: false, env: { DATABASE_URL: way.url } });
});
afterAll(async () => {
  await story.end();
  await way.close();
});

/** Time enough to ask for the loss while the call is in flight. */
const delayMs = 1_500;
const UNKNOWN_KEY = { status: 401, body: { error: 'unknown public key', status: 401 }, times: 2 };

interface Case {
  what: string;
  fault: Fault;
  status: number;
  state: string;
  event: string;
}

describe('the end of an attempt that was written, and whose acknowledgement was lost', () => {
  it.each<Case>([
    {
      what: 'moved the row on',
      fault: { afterEffect: true },
      status: 200,
      state: 'otp_verified',
      event: 'otp_verified',
    },
    {
      what: 'refused the code',
      fault: { status: 422 },
      status: 422,
      state: 'otp_sent',
      event: 'otp_rejected',
    },
    {
      what: 'scheduled a retry',
      fault: { status: 503, retryAfterS: 60 },
      status: 202,
      state: 'otp_submitted',
      event: 'retry_scheduled',
    },
    { what: 'parked the row', fault: UNKNOWN_KEY, status: 202, state: 'otp_submitted', event: 'parked' },
    {
      what: 'left a doubt',
      fault: { cut: 'after' },
      status: 409,
      state: 'outcome_unknown',
      event: 'outcome_lost',
    },
  ])('is written once, and its caller is answered: it $what', async ({ fault, status, state, event }) => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    const submitted = at.strike({ ...fault, delayMs }).submit({ headers: { prefer: 'wait=5' } });
    await at.until('otp_submitted');
    const before = way.lost;
    way.loseNext(at.id);
    const answer = await submitted;
    expect([answer.status, way.lost - before]).toEqual([status, 1]);
    expect((await story.get(at.id)).body.state).toBe(state);
    const types = (await at.events()).map(({ type }) => type);
    expect(types.slice(types.indexOf('attempt_ended', types.indexOf('otp_submitted')))).toEqual([
      'attempt_ended',
      event,
    ]);
    expect(types).not.toContain('late_answer_kept');
  });
});
