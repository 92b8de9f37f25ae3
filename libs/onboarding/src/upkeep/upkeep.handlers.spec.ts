import { describe, expect, it } from '@jest/globals';
import { UpkeepHandlers } from './upkeep.handlers.js';

function upkeepOf(work: (stop?: AbortSignal) => Promise<object>) {
  const worker = { run: work, anchor: work } as never;
  const config = {} as never;
  return new UpkeepHandlers(worker, worker, worker, worker, worker, worker, worker, config);
}

const handlerOf = (name: string, work: () => Promise<object>) =>
  upkeepOf(work)
    .handlers()
    .find(({ job }) => job.name === name)!;

describe.each(['retention', 'anchor'])('the scheduled job "%s"', (name) => {
  it('skips a run while this process is still running an earlier one', async () => {
    const ends: (() => void)[] = [];
    const handler = handlerOf(name, () => new Promise((end) => ends.push(() => end({ done: 1 }))));
    const first = handler.handle({});
    expect(await handler.handle({})).toEqual({ skipped: 'an earlier run of this process is still running' });
    ends[0]!();
    expect(await first).toEqual({ done: 1 });
    const next = handler.handle({});
    expect(ends).toHaveLength(2);
    ends[1]!();
    expect(await next).toEqual({ done: 1 });
  });

  it('runs again after a failed run', async () => {
    let runs = 0;
    const handler = handlerOf(name, () => {
      runs += 1;
      return Promise.reject(new Error('away'));
    });
    await expect(handler.handle({})).rejects.toThrow('away');
    await expect(handler.handle({})).rejects.toThrow('away');
    expect(runs).toBe(2);
  });

  it('is asked to stop when the process stops', async () => {
    const stops: (AbortSignal | undefined)[] = [];
    const upkeep = upkeepOf(async (stop) => {
      stops.push(stop);
      return {};
    });
    await upkeep
      .handlers()
      .find(({ job }) => job.name === name)!
      .handle({});
    expect(stops[0]!.aborted).toBe(false);
    upkeep.onModuleDestroy();
    expect(stops[0]!.aborted).toBe(true);
  });
});
