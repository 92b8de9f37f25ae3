import { setTimeout as wait } from 'node:timers/promises';
import { say } from '../tools/console.js';
import { contenders } from './contenders.js';
import { rssMb } from './measure.js';
import { prepare } from './prepare.js';

const STARTS = 5;
const IDLE_MS = 10_000;

/** Measures how long service and worker take to be ready, and how much memory they use while idle. */
export async function size(): Promise<void> {
  const { surroundings, stop } = await prepare();
  const gangway = contenders().find(({ name }) => name === 'gangway')!;
  try {
    for (let n = 1; n <= STARTS; n++) {
      const running = await gangway.start(surroundings);
      await wait(IDLE_MS);
      const [service, worker] = [rssMb(running.service), rssMb(running.worker!)];
      const { service: serviceMs, worker: workerMs } = running.readyMs!;
      const idle = `${service?.toFixed(0)} and ${worker?.toFixed(0)} MB`;
      say(`service and worker: ready after ${serviceMs} and ${workerMs} ms; ${idle} while idle`);
      await running.stop();
    }
  } finally {
    await stop();
  }
}
