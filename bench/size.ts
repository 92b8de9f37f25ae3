import { setTimeout as wait } from 'node:timers/promises';
import { say } from '../tools/console.js';
import { contenders } from './contenders.js';
import { rssMb } from './measure.js';
import { prepare } from './prepare.js';

const STARTS = 5;
const IDLE_MS = 10_000;

export async function size(): Promise<void> {
  const { surroundings, stop } = await prepare();
  const gangway = contenders().find(({ name }) => name === 'gangway')!;
  try {
    for (let n = 1; n <= STARTS; n++) {
      const running = await gangway.start(surroundings);
      await wait(IDLE_MS);
      const [service, worker] = [rssMb(running.service), rssMb(running.worker!)];
      const { service: serviceMs, worker: workerMs } = running.readyMs!;
      const [serviceMb, workerMb] = [service?.toFixed(0), worker?.toFixed(0)];
      say(`ready after ${serviceMs} and ${workerMs} ms; idle ${serviceMb} and ${workerMb} MB`);
      await running.stop();
    }
  } finally {
    await stop();
  }
}
