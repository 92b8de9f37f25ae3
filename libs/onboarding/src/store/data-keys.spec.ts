import { describe, expect, it, jest } from '@jest/globals';
import { Sealer, sealedBy } from '#libs/platform';
import { DataKeys } from './data-keys.js';

const key = (id: string, byte: number) => ({ id, key: Buffer.alloc(32, byte) });
const place = { onboardingId: 'one', field: 'grant' };

describe('the data key of a row', () => {
  it('seals values that the keys of SEALING_KEYS alone cannot open', () => {
    const ring = new Sealer([key('a', 1)]);
    const { patch, sealer } = new DataKeys(ring).fresh('one');
    const sealed = sealer.seal(place, 'secret');
    expect(() => ring.open(place, sealed)).toThrow();
    expect(new DataKeys(ring).sealerOf({ id: 'one', ...patch }).open(place, sealed)).toBe('secret');
  });

  it('is different for each row, and does not open values of another row', () => {
    const dataKeys = new DataKeys(new Sealer([key('a', 1)]));
    const [one, two] = [dataKeys.fresh('one'), dataKeys.fresh('two')];
    const sealed = one.sealer.seal(place, 'secret');
    expect(() => two.sealer.open(place, sealed)).toThrow();
    expect(() => dataKeys.sealerOf({ id: 'two', sealedDataKey: one.patch.sealedDataKey })).toThrow();
  });

  it('is needed to read the values that it has sealed', () => {
    const dataKeys = new DataKeys(new Sealer([key('a', 1)]));
    const sealed = dataKeys.fresh('one').sealer.seal(place, 'secret');
    expect(() => dataKeys.sealerOf({ id: 'one', sealedDataKey: null }).open(place, sealed)).toThrow();
  });

  it('stays the same when another key of SEALING_KEYS seals it', () => {
    const [old, fresh] = [key('old', 1), key('new', 2)];
    const before = new DataKeys(new Sealer([old]));
    const { patch, sealer } = before.fresh('one');
    const sealed = sealer.seal(place, 'secret');
    const wrapped = new DataKeys(new Sealer([fresh, old])).rewrapped('one', patch.sealedDataKey!);
    expect([patch.dataKeyId, wrapped.dataKeyId, sealedBy(wrapped.sealedDataKey!)]).toEqual([
      'old',
      'new',
      'new',
    ]);
    expect(new DataKeys(new Sealer([fresh])).sealerOf({ id: 'one', ...wrapped }).open(place, sealed)).toBe(
      'secret',
    );
  });

  it('is not needed for values that SEALING_KEYS seal, such as a code sealed before the row is read', () => {
    const ring = new Sealer([key('a', 1)]);
    const sealed = ring.seal(place, 'secret');
    const dataKeys = new DataKeys(ring);
    expect(dataKeys.sealerOf({ id: 'one', sealedDataKey: null }).open(place, sealed)).toBe('secret');
    expect(dataKeys.sealerOf({ id: 'one', ...dataKeys.fresh('one').patch }).open(place, sealed)).toBe(
      'secret',
    );
  });

  it('cannot be opened without the key that seals it: the error has the id of the missing key', () => {
    const { patch } = new DataKeys(new Sealer([key('gone', 1)])).fresh('one');
    expect(() => new DataKeys(new Sealer([key('here', 2)])).sealerOf({ id: 'one', ...patch })).toThrow(
      'data_key is sealed with key "gone", which SEALING_KEYS does not have',
    );
  });
});

describe('the decryption of a row’s data key', () => {
  const ring = new Sealer([key('a', 1)]);
  const dataKeys = new DataKeys(ring);
  const open = jest.spyOn(ring, 'open');
  const openings = (work: () => void): number => {
    open.mockClear();
    work();
    return open.mock.calls.length;
  };
  const { patch } = dataKeys.fresh('one');
  /** Returns new Buffer objects, like each real read. */
  const read = (id = 'one') => ({ id, sealedDataKey: Buffer.from(patch.sealedDataKey) });

  it('happens once for each read of the row, but not if the key was just made', () => {
    const row = read();
    expect(openings(() => [dataKeys.sealerOf(row), dataKeys.sealerOf({ ...row })])).toBe(1);
    expect(openings(() => dataKeys.sealerOf({ id: 'one', ...patch }))).toBe(0);
  });

  it('happens again in the next request, because only the row object keeps the decrypted key', () => {
    expect(openings(() => [dataKeys.sealerOf(read()), dataKeys.sealerOf(read())])).toBe(2);
  });

  it('is not repeated for a later read that gets the decrypted key of an earlier read', () => {
    const [earlier, later] = [read(), read()];
    const sealed = dataKeys.sealerOf(earlier).seal(place, 'secret');
    dataKeys.handOver(earlier, later);
    expect(openings(() => expect(dataKeys.sealerOf(later).open(place, sealed)).toBe('secret'))).toBe(0);
  });

  it('happens again if the earlier read has no decrypted key, another key or another row', () => {
    const unopened = read();
    const other = { id: 'one', ...dataKeys.fresh('one').patch };
    const wrapped = { id: 'one', ...dataKeys.rewrapped('one', patch.sealedDataKey) };
    for (const [earlier, later] of [
      [unopened, read()],
      [other, read()],
      [{ id: 'one', ...patch }, wrapped],
    ] as const) {
      dataKeys.handOver(earlier, later);
      expect(openings(() => dataKeys.sealerOf(later))).toBe(1);
    }
    const moved = read('two');
    dataKeys.handOver({ id: 'one', ...patch }, moved);
    expect(() => dataKeys.sealerOf(moved)).toThrow();
  });

  it('never happens after the key is destroyed', () => {
    const erased = { id: 'one', sealedDataKey: null };
    const earlier = { id: 'one', ...patch };
    dataKeys.handOver(earlier, erased);
    dataKeys.handOver(erased, earlier);
    expect(dataKeys.sealerOf(erased)).toBe(ring);
  });
});
